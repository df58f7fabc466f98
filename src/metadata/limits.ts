/** How long things may be; part of the contract of metadata.ts. */

/** Bytes of the longest name of an extended attribute, of the longest value, and of all names of a file together. */
export const XATTR_NAME_MAX = 255
export const XATTR_SIZE_MAX = 65_536
export const XATTR_LIST_MAX = 65_536

/** Bytes of the longest target of a symlink. */
export const SYMLINK_MAX = 4095

/** What the name of an extended attribute begins with, as in xattr(7). 'user' is for files and directories only. */
export const XATTR_NAMESPACES: readonly string[] = ['user.', 'trusted.', 'security.', 'system.']
