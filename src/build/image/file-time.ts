/**
 * Files get a time that is made from their content, not from the commit or the checkout: a layer whose files did not change
 * keeps its digest in the next commit. One constant for all would break web servers, whose ETag is size and time: a changed
 * file of the same size must not look unchanged. From 1980 on, because zip knows nothing older.
 */
export const EARLIEST = 315_532_800

/** 1980 to 1988, by the first 28 bits of the digest. */
export const fileTime = (id: string): number =>
  EARLIEST + Number.parseInt(id.slice(id.indexOf(':') + 1).slice(0, 7), 16)
