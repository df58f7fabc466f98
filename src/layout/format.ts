/**
 * The format of the pin table: which word means what. `docs/internals/format.md` says the same in prose, and a test
 * compares the two. All words are 32 bit, in the host's byte order; "wide" is two words, low first.
 *
 * The table file: a header of 1,024 words, then BUCKETS buckets of BUCKET_WORDS words.
 * A slot file: SLOT_WORDS words (header, filter, breaks), then chunks of CHUNK_RECORDS records of RECORD_WORDS words.
 */

export const FORMAT_VERSION = 1

/** 'HFPT' */
export const TABLE_MAGIC = 0x48_46_50_54

/** Words of the table file's header. */
export const Table = {
  magic: 0,
  version: 1,
  /** Slots 0 … slotCount - 1 have been used at some time; goes up only. */
  slotCount: 2,
  /**
   * Goes up when a participant has opened the metadata, before its first change: tells who only reads that what it saw of a
   * pool at rest may be over.
   */
  openings: 3,
  /** Not 0: a flush of the device or a sync of the log has failed since the pool was opened afresh; nobody may sync any more. */
  syncFailed: 4,
  /** Goes up when somebody finds no space: whoever holds blocks back that it can do without may let go. */
  spaceWanted: 5,
  /** Goes up when a participant has its slot, before it looks at `batch` and at the metadata (solitude.ts). */
  entries: 6,
  /** Odd: there may be changes of the metadata that are not committed, of the participant in slot `batchOwner` - 1. */
  batch: 7,
  batchOwner: 8,
} as const

export const TABLE_HEADER_WORDS = 1024

/**
 * In the header, a word for each class of regions of 2 MiB of the device's file, the largest folio of the page cache: punches under way in the
 * low 8 bits, how many there have been above (punch-marks.ts).
 */
export const PUNCHES_START = 512
export const PUNCHES = 512
export const PUNCHES_UNDER_WAY = 0xff
/** Pages of such a region. */
export const FOLIO_SHIFT = 9

/**
 * One bucket for each hash of an inode number, a cache line each.
 * generation: goes up after every committed layout change of an inode in the bucket, before its break is taken back.
 * breaks: how many break records are published for inodes of the bucket; never too low (a death may leave it too high).
 * changes: odd while names or attributes of an inode in the bucket are being changed, else a number that was never there
 * before (change-marks.ts).
 * arrivals: how many were ever published, modulo 2^32; goes up after `breaks`, before the break's owner scans.
 * leases, stables: how many layout leases, and stable pins, are published for inodes of the bucket; never too low.
 */
export const Bucket = { generation: 0, breaks: 1, changes: 2, arrivals: 3, leases: 4, stables: 5 } as const
export const BUCKETS = 4096
export const BUCKET_WORDS = 16
export const TABLE_WORDS = TABLE_HEADER_WORDS + BUCKETS * BUCKET_WORDS

/** Word of the inode's bucket. */
export const bucketOf = (ino: number): number => TABLE_HEADER_WORDS + (ino & (BUCKETS - 1)) * BUCKET_WORDS

/** Words of a slot's header. Written by the owner, but `rung`, which anybody may set. */
export const Slot = {
  /** 0 free, 1 attached. */
  state: 0,
  pid: 1,
  threadId: 2,
  /** Records below this index may be in use. */
  recordCount: 3,
  /** Break records below this index may be in use. */
  breakCount: 4,
  /** How many waits of the owner are under way: for a break to end, for pins or leases to go, for its turn. */
  waiters: 5,
  /** 1: the doorbell was rung and not answered yet. */
  rung: 6,
  /** Wide: start time of the process in clock ticks since boot, against reused process ids. */
  startTime: 8,
  /** Wide: ms since 1970 when the owner began a metadata transaction, 0 outside of one. */
  transactionSince: 10,
} as const

const SLOT_HEADER_WORDS = 64

/**
 * The filter: one word for each class of device regions, 0 when no record of the slot has a run there. A change whose
 * regions are all 0 need not look at the records. Set before the record is published, cleared by the owner some time
 * after the last record of the region is gone.
 */
export const FILTER_WORDS = 1024
export const FILTER_START = SLOT_HEADER_WORDS
/** Blocks of a region: 1 MiB. */
export const REGION_SHIFT = 8
export const filterOf = (deviceBlock: number): number =>
  FILTER_START + ((deviceBlock >>> REGION_SHIFT) & (FILTER_WORDS - 1))

/** A break: this slot's owner wants, or makes, a layout change of [start, end) bytes of the inode. */
export const Break = {
  state: 0,
  /** Wide. */
  ino: 2,
  /** Wide, bytes. */
  start: 4,
  /** Wide, bytes. */
  end: 6,
  /** Wide, ms since 1970. */
  since: 8,
  /** BreakCause: what leases are recalled for; 0: none is. From bit 8 on a number that tells one recall from the next. */
  cause: 10,
  /** Bytes of the first block before what is asked of leases | bytes of the last block behind it << 12. */
  edges: 11,
  /** The bucket's `arrivals` before it: who came first. */
  arrival: 12,
} as const
export const BreakCause = { none: 0, truncate: 1, punch: 2, zero: 3, collapse: 4, insert: 5 } as const
export const CAUSE_MASK = 0xff
export const RECALL_SHIFT = 8
export const BREAKS = 32
export const BREAK_WORDS = 16
export const BREAKS_START = FILTER_START + FILTER_WORDS
export const breakAt = (index: number): number => BREAKS_START + index * BREAK_WORDS

/**
 * States of a break.
 * preparing → watching | waiting | committing (counted in the bucket from here on) → … → leaving → free
 */
export const BreakState = {
  free: 0,
  /** Being written; the bucket does not count it yet. */
  preparing: 1,
  /** Wants to be rung when pins of the range end; keeps nobody from pinning (flushDma). */
  watching: 2,
  /** New pins of the range queue; copies go on. */
  waiting: 3,
  /** New pins and copies of the range queue: the commit is at most one transaction away. */
  committing: 4,
  /** Being taken back; the bucket may not count it any more. */
  leaving: 5,
} as const

export const SLOT_WORDS = 2048

/** A record: a pin, a copy under way, an open file, or a lease. Written by the owner, but `revoked`. */
export const Record = {
  /** status | kind << 4 | sequence << 8; the sequence goes up with every use of the record. */
  state: 0,
  flags: 1,
  /** Wide. */
  ino: 2,
  /** Wide, bytes of the file. */
  offset: 4,
  /** Wide, bytes. */
  length: 6,
  /** Wide, ms since 1970, coarse. */
  since: 8,
  /** Bytes of the first block before the range | bytes of the last block behind it << 12. Of a lease: its break time in ms. */
  edges: 10,
  runCount: 11,
  /** 1 + index of the record with more runs, or 0. */
  next: 12,
  firstRun: 13,
  /** Of a lease: the sequence of the use that was revoked. The one word of a record that anybody may set. */
  revoked: 15,
} as const
export const RECORD_WORDS = 16
export const RECORD_SHIFT = 4
/** Continuation records: runs of two words from word 2 on, `next` as above. */
export const MORE_RUNS_START = 2
export const MORE_RUNS = 5

export const RecordStatus = { free: 0, tentative: 1, granted: 2, more: 3 } as const
export const STATUS_MASK = 0xf
export const KIND_SHIFT = 4
export const KIND_MASK = 0xf0
export const SEQUENCE_SHIFT = 8

export const RecordKind = { pin: 0x10, copy: 0x20, open: 0x30, lease: 0x40 } as const
export const RecordFlag = { write: 1, stable: 2, longTerm: 4, exclusive: 8 } as const

/** Records of a chunk, mapped as a whole: 256 KiB. */
export const CHUNK_RECORDS = 4096
export const CHUNK_SHIFT = 12
export const CHUNK_WORDS = CHUNK_RECORDS * RECORD_WORDS
