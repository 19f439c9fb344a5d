"""What is: one read of one subsystem's actual state each."""
