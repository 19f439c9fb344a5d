"""What is done to an estate's machines and volumes once they are there. Pure: the steps are done like those of any run."""
