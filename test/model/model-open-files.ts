/** The model's operations on open files. */
import { MAX_FILE_SIZE } from '../../src/units.ts'
import type { Expectation } from './expectations.ts'
import { sought, stat } from './expectations.ts'
import * as attributes from './model-attributes.ts'
import { BLOCK } from './model-file.ts'
import type { Handle, Model, Operations } from './model-state.ts'
import type { Node } from './model-tree.ts'
import { ModelError } from './model-tree.ts'
import type { OperationName, Who } from './operations.ts'
import { bytesOf } from './operations.ts'

/** Blocks that no pool of these tests has. */
const TOO_MANY_BLOCKS = 1 << 20

/** Operations that find their file by a slot alone. */
export type OpenFileOperation = Extract<
  OperationName,
  | 'close'
  | 'fread'
  | 'fwrite'
  | 'ftruncate'
  | 'punchHole'
  | 'zeroRange'
  | 'collapseRange'
  | 'insertRange'
  | 'allocate'
  | 'seekData'
  | 'seekHole'
  | 'copyFrom'
  | 'fstat'
  | 'fchmod'
  | 'fchown'
  | 'futimes'
  | 'fconfigure'
  | 'fsetXattr'
  | 'fgetXattr'
  | 'flistXattrs'
  | 'fremoveXattr'
  | 'flink'
  | 'fsync'
>

const opened = (model: Model, slot: number): Handle => model.handles.get(slot)!

function toRead(model: Model, slot: number): Handle {
  const handle = opened(model, slot)
  if (!handle.mayRead) throw new ModelError('EBADF')
  return handle
}

function toWrite(model: Model, slot: number): Handle {
  const handle = opened(model, slot)
  if (!handle.mayWrite) throw new ModelError('EBADF')
  return handle
}

/** To give blocks to what ends at `end`. */
function toFill(model: Model, slot: number, end: number): Handle {
  const handle = toWrite(model, slot)
  if (end > MAX_FILE_SIZE) throw new ModelError('EFBIG')
  return handle
}

/** ENOSPC; before it is said, all that was allocated ahead has gone back, of whatever is open. */
function mustFit(model: Model, offset: number, length: number): void {
  if ((offset + length) / BLOCK - offset / BLOCK <= TOO_MANY_BLOCKS) return
  for (const { node } of model.handles.values()) node.file.closed()
  throw new ModelError('ENOSPC')
}

function mustBeBlocks(offset: number, length: number): void {
  if (offset % BLOCK !== 0 || length % BLOCK !== 0) throw new ModelError('EINVAL')
}

const seek = (model: Model, slot: number, offset: number, what: 'data' | 'hole'): Expectation =>
  sought(opened(model, slot).node, offset, what)

function changed(model: Model, { node }: Handle): undefined {
  model.tree.changed(node)
}

/** To the size that it has is no change of the content, but may be noted as one; what is past the end goes all the same. */
export function resize(model: Model, node: Node, length: number): void {
  node.mtimeNs = undefined
  const hasChanged = length !== node.file.size
  node.file.truncate(length)
  if (hasChanged) model.tree.changed(node)
}

/** The inode, what its own participant wrote being stored. */
function seen(model: Model, slot: number): { node: Node; by: Who } {
  const { node, by } = opened(model, slot)
  model.store(node, by)
  return { node, by }
}

export const OPEN_FILE_OPERATIONS: Operations<OpenFileOperation> = {
  close(model, { slot }) {
    model.close(slot)
    return undefined
  },
  fread(model, { slot, length, at }) {
    const handle = toRead(model, slot)
    const result = handle.node.file.read(at ?? handle.position, length)
    if (at === null) handle.position += result.length
    return result
  },
  fwrite(model, { slot, data, at }) {
    const handle = toWrite(model, slot)
    const { node, by, appends } = handle
    const { file } = node
    const offset = appends ? file.size : (at ?? handle.position)
    if (data.length === 0) return 0
    if (offset + data.length > MAX_FILE_SIZE) throw new ModelError('EFBIG')
    const isInPlace = offset + data.length <= file.size
    file.write(offset, bytesOf(data))
    model.wrote(node, by, isInPlace)
    if (at === null) handle.position = offset + data.length
    return data.length
  },
  ftruncate(model, { slot, length }) {
    const handle = toWrite(model, slot)
    resize(model, handle.node, length)
    return undefined
  },
  punchHole(model, { slot, offset, length }) {
    const handle = toWrite(model, slot)
    handle.node.file.punch(offset, length)
    if (offset < handle.node.file.size) changed(model, handle)
    return undefined
  },
  zeroRange(model, { slot, offset, length, keepSize }) {
    const handle = toFill(model, slot, offset + length)
    mustFit(model, offset, length)
    handle.node.file.zeroRange(offset, length, keepSize)
    return changed(model, handle)
  },
  collapseRange(model, { slot, offset, length }) {
    const handle = toWrite(model, slot)
    mustBeBlocks(offset, length)
    if (offset + length >= handle.node.file.size) throw new ModelError('EINVAL')
    handle.node.file.collapse(offset, length)
    return changed(model, handle)
  },
  insertRange(model, { slot, offset, length }) {
    const handle = toWrite(model, slot)
    mustBeBlocks(offset, length)
    const { size } = handle.node.file
    if (offset >= size) throw new ModelError('EINVAL')
    if (size + length > MAX_FILE_SIZE) throw new ModelError('EFBIG')
    handle.node.file.insert(offset, length)
    return changed(model, handle)
  },
  allocate(model, { slot, offset, length, keepSize }) {
    const { node } = toFill(model, slot, offset + length)
    mustFit(model, offset, length)
    const isGrowing = !keepSize && offset + length > node.file.size
    node.file.allocate(offset, length, keepSize)
    if (isGrowing) model.tree.changed(node)
    return undefined
  },
  seekData: (model, { slot, offset }) => seek(model, slot, offset, 'data'),
  seekHole: (model, { slot, offset }) => seek(model, slot, offset, 'hole'),
  copyFrom(model, { slot, from, offset, length, position }) {
    const { node: source } = toRead(model, from)
    const { node, by, appends } = toWrite(model, slot)
    if (appends) throw new ModelError('EBADF')
    const data = source.file.read(offset, length)
    if (position + data.length > MAX_FILE_SIZE) throw new ModelError('EFBIG')
    if (source === node && offset < position + data.length && position < offset + data.length)
      throw new ModelError('EINVAL')
    if (data.length === 0) return 0
    const isInPlace = position + data.length <= node.file.size
    const states = blocksOf(offset, data.length).map((block) => source.file.stateOf(block))
    const first = Math.floor(offset / BLOCK)
    node.file.copyIn(position, data, (block) => {
      const start = Math.max(block * BLOCK, position) - position + offset
      const end = Math.min((block + 1) * BLOCK, position + data.length) - position + offset
      return blocksOf(start, end - start).some((each) => states[each - first] === 'mapped')
    })
    // Pieces of it may be in place and others not.
    if (!isInPlace) model.wrote(node, by, false)
    model.wrote(node, by, true)
    return data.length
  },
  fstat: (model, { slot }) => stat(seen(model, slot).node),
  fchmod: (model, { slot, mode }) => attributes.setMode(opened(model, slot).node, mode),
  fchown: (model, { slot, uid, gid }) => attributes.setOwner(opened(model, slot).node, uid, gid),
  futimes(model, { slot, ...times }) {
    const { node, by } = opened(model, slot)
    return attributes.setTimes(model, node, by, times)
  },
  fconfigure: (model, { slot, change }) => attributes.setPolicies(opened(model, slot).node, change),
  fsetXattr: (model, { slot, name, value, mode }) => attributes.setXattr(opened(model, slot).node, name, value, mode),
  fgetXattr: (model, { slot, name }) => attributes.getXattr(opened(model, slot).node, name),
  flistXattrs: (model, { slot }) => attributes.listXattrs(opened(model, slot).node),
  fremoveXattr: (model, { slot, name }) => attributes.removeXattr(opened(model, slot).node, name),
  flink(model, { slot, dest }) {
    model.linkTo(opened(model, slot).node, dest)
    return undefined
  },
  fsync(model, { slot }) {
    const { node, by } = opened(model, slot)
    model.store(node, by)
    return undefined
  },
}

function blocksOf(offset: number, length: number): number[] {
  const first = Math.floor(offset / BLOCK)
  return Array.from({ length: Math.ceil((offset + length) / BLOCK) - first }, (_, index) => first + index)
}
