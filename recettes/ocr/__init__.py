"""Text recognition on clusters: the gate's settings there, the submitter here."""
