"""What a lab can say it wants."""
