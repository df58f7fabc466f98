/** What browsers are told to keep from doing with what is served. */

/** Of everything. */
export const FOR_ALL: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
}

/** Of the inspector and its data: nothing but its own files, and nobody frames it. */
export const FOR_PAGE =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Of files of the pool. */
export const FOR_FILES = "frame-ancestors 'none'"

/**
 * Of files of the pool that whoever has the token may change: they are strangers to the inspector, which has the token, so a
 * page among them runs no script.
 */
export const FOR_FILES_BESIDE_TOKEN = "sandbox; frame-ancestors 'none'"
