"""Who lives here: the population register, whole files checked, encrypted at rest, versioned."""
