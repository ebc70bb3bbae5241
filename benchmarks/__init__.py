"""What is measured, not tested: see accuracy/."""
