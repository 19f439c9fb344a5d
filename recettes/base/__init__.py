"""What every machine has, one subject a module: each gives its part of the machine's blueprint."""
