package signing

var KDFIterations = kdfIterations
