/**
 * Creates and opens meta.db, the embedded metadata store of a pool.
 *
 * What is refused: a file that is not a pool's metadata or is damaged (EUCLEAN), a format that this version does not
 * know (EPROTONOSUPPORT, both versions named), no permission (EACCES, EROFS).
 */
import { constants } from 'node:fs'
import { access, lstat, open, rm } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { codeOf, systemError } from '../errors.ts'
import { MAX_DEVICE_BLOCKS } from '../units.ts'
import type { BlockCount } from '../units.ts'
import { counted, damaged, oneOf } from './damage.ts'
import { BUSY_POLICIES, DAX_MODES } from './metadata.ts'
import type { Metadata, PoolProperties } from './metadata.ts'
import { DISTRUST, inWords, schemaDifferences } from './schema-differences.ts'
import { APPLICATION_ID, FORMAT_VERSION, insertFirstRows, PAGE_SIZE, SCHEMA } from './schema.ts'
import { SqliteConnection } from './sqlite-connection.ts'
import type { SqliteMetadataOptions } from './sqlite-options.ts'
import { translated } from './sqlite-errors.ts'
import { lookAt, SqliteReader } from './sqlite-reader.ts'
import { SqliteStore } from './sqlite-store.ts'
import { LOG_SIZE_LIMIT, syncDirectory } from './write-ahead-log.ts'

export type { SqliteReader } from './sqlite-reader.ts'
export type { SqliteMetadataOptions } from './sqlite-options.ts'

/**
 * Makes the metadata of a new pool at `path`, all blocks free; durable when it resolves. EEXIST when there is a file.
 * `formatVersion` of the properties is not looked at: it is {@link FORMAT_VERSION}.
 */
export async function createSqliteMetadata(path: string, properties: PoolProperties): Promise<void> {
  await createStore(path, (db) => insertFirstRows(db, properties))
}

/**
 * Makes a store at `path` that has what `fill` puts into its empty tables; durable when it resolves. When `fill` throws there
 * is none.
 */
export async function createStore(path: string, fill: (db: DatabaseSync) => void | Promise<void>): Promise<void> {
  const syscall = 'mkfs'
  // Only one creator gets past this. The descriptor is closed before SQLite has any lock that it could drop.
  await (await open(path, 'wx', 0o600)).close()
  let db: DatabaseSync | undefined
  try {
    // References are looked at when all is there: by fsck, which fills one in the order of what it reads.
    db = new DatabaseSync(path, { timeout: 0, enableForeignKeyConstraints: false })
    db.exec(`PRAGMA page_size = ${PAGE_SIZE}`)
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    db.exec('BEGIN IMMEDIATE')
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION}`)
    db.exec(SCHEMA)
    await fill(db)
    db.exec('COMMIT')
    // The last connection to leave moves the log into meta.db, syncs it, and deletes the log.
    db.close()
  } catch (error) {
    if (db?.isOpen === true) db.close()
    for (const suffix of ['', '-wal', '-shm']) await rm(`${path}${suffix}`, { force: true })
    throw translated(error, syscall, path)
  }
  await syncDirectory(dirname(resolve(path)))
}

/** Opens the metadata at `path`; with `readOnly` for who may not write its directory: see sqlite-reader.ts. */
export async function openSqliteMetadata(
  path: string,
  options: SqliteMetadataOptions & { readonly readOnly: true },
): Promise<SqliteReader>
export async function openSqliteMetadata(path: string, options?: SqliteMetadataOptions): Promise<Metadata>
export async function openSqliteMetadata(path: string, options: SqliteMetadataOptions = {}): Promise<Metadata> {
  const syscall = 'open'
  await checkFiles(path, options.readOnly === true)
  if (options.readOnly === true) return await openedForReading(path, options)
  // SQLite would open what cannot be written for reading only, and say so at the first change.
  await access(path, constants.R_OK | constants.W_OK)
  await access(dirname(resolve(path)), constants.W_OK)
  let db: DatabaseSync | undefined
  try {
    // mode=rw: a file that has gone since is not made anew.
    db = new DatabaseSync(new URL(`${pathToFileURL(path).href}?mode=rw`), { timeout: 0, defensive: true })
    db.exec(DISTRUST)
    return await connected(db, path, options)
  } catch (error) {
    if (db?.isOpen === true) db.close()
    throw translated(error, syscall, path)
  }
}

async function openedForReading(path: string, options: SqliteMetadataOptions): Promise<SqliteReader> {
  const openings = options.openings ?? (() => 0)
  const uncommitted = options.uncommitted ?? (() => [])
  const look = await lookAt(path, openings)
  const { db } = look
  try {
    const connection = new SqliteConnection(db, path, options)
    const properties = await connection.readConsistently('open', () => {
      checkFormat(db, path)
      checkSchema(db, path)
      return readProperties(db, path)
    })
    return new SqliteReader(connection, properties, look, { openings, uncommitted })
  } catch (error) {
    if (db.isOpen) db.close()
    throw translated(error, 'open', path)
  }
}

async function connected(db: DatabaseSync, path: string, options: SqliteMetadataOptions): Promise<Metadata> {
  // A crashed pool's log is recovered by the first who comes; `read` waits for it.
  const connection = new SqliteConnection(db, path, options)
  await connection.read('open', () => {
    checkFormat(db, path)
    checkSchema(db, path)
    const mode = db.prepare('PRAGMA journal_mode').get()?.['journal_mode']
    if (mode !== 'wal') db.exec('PRAGMA journal_mode = WAL')
  })
  db.exec('PRAGMA synchronous = NORMAL')
  db.exec('PRAGMA wal_autocheckpoint = 0')
  db.exec(`PRAGMA journal_size_limit = ${LOG_SIZE_LIMIT}`)
  db.exec('PRAGMA temp_store = MEMORY')
  db.exec('PRAGMA cache_size = -16384')
  return connection.read('open', () => new SqliteStore(connection, readProperties(db, path)))
}

/**
 * SQLite follows links, to files outside of the pool; and of a database with two names each name has a log of its own.
 * Whoever may change these files between this look and SQLite's is trusted (SECURITY.md): this finds mistakes.
 */
export async function checkFiles(path: string, isForReading: boolean): Promise<void> {
  for (const suffix of ['', '-wal', '-shm']) {
    const name = `${path}${suffix}`
    const file = await lstat(name).catch((error: unknown) => {
      if (suffix === '' || codeOf(error) !== 'ENOENT') throw error
    })
    if (file === undefined) continue
    const detail = { syscall: 'open', path: name }
    if (!file.isFile()) throw systemError('EUCLEAN', 'the metadata of a pool must be a regular file', detail)
    if (file.nlink === 1 || isForReading) continue
    throw systemError(
      'EUCLEAN',
      'the metadata has a second name, and each would have a log of its own; copy the pool instead of linking it',
      detail,
    )
  }
}

/** Whether this version can make sense of the tables. EUCLEAN, EPROTONOSUPPORT. */
export function checkFormat(db: DatabaseSync, path: string): void {
  const id = db.prepare('PRAGMA application_id').get()?.['application_id']
  if (id !== APPLICATION_ID) {
    throw systemError('EUCLEAN', 'this is not the metadata of a pool', { syscall: 'open', path })
  }
  const version = Number(db.prepare('PRAGMA user_version').get()?.['user_version'])
  if (version !== FORMAT_VERSION) {
    const advice = version > FORMAT_VERSION ? 'use a newer Holdfast' : 'use the Holdfast that made it'
    const explanation = `the pool has format version ${version}, this Holdfast knows version ${FORMAT_VERSION} only; ${advice}`
    throw systemError('EPROTONOSUPPORT', explanation, { syscall: 'open', path })
  }
}

function checkSchema(db: DatabaseSync, path: string): void {
  const difference = schemaDifferences(db)[0]
  if (difference === undefined) return
  const explanation = `the schema of the metadata is not that of a pool: ${inWords(difference)}; see fsck`
  throw systemError('EUCLEAN', explanation, { syscall: 'open', path })
}

/** As `randomUUID` writes it, which is what the device's label can hold. */
export const UUID = /^[0-9a-f-]{36}$/

function readProperties(db: DatabaseSync, path: string): PoolProperties {
  const row = db.prepare('SELECT uuid, p.busy, dax, lease_break_time_ms, reserve, block_count FROM pool p, space').get()
  if (row === undefined) throw systemError('EUCLEAN', 'the pool has no properties', { syscall: 'open', path })
  const uuid = row['uuid']
  if (typeof uuid !== 'string' || !UUID.test(uuid)) throw damaged('the pool has no uuid')
  return {
    uuid,
    formatVersion: FORMAT_VERSION,
    blockCount: counted(row['block_count'], 'the block count of the pool', MAX_DEVICE_BLOCKS, 1) as BlockCount,
    busy: oneOf(row['busy'], 'the policy of the pool', BUSY_POLICIES),
    dax: oneOf(row['dax'], 'the policy of the pool', DAX_MODES),
    leaseBreakTimeMs: counted(row['lease_break_time_ms'], 'the lease break time of the pool'),
    reserveBlocks: counted(row['reserve'], 'the reserve of the pool') as BlockCount,
  }
}
