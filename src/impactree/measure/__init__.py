"""Energy that need not be estimated: reported by who answers, or measured on this machine."""
