/** ACCESS: `fuse_access_in`. Not sent with `default_permissions`. */

/** The sum of R_OK 4, W_OK 2, X_OK 1. */
export const readAccess = (body: Buffer): number => body.readUInt32LE(0)
