"""What running a plan costs beside what its experts take."""
