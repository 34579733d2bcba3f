"""What a check has seen, the report of a run, and the policy that a certificate needs."""
