/** The model's operations on names and on files by their paths. */
import { constants } from 'node:fs'
import type { RenameMode } from '../../src/metadata/metadata.ts'
import { MAX_FILE_SIZE } from '../../src/units.ts'
import { stat } from './expectations.ts'
import * as attributes from './model-attributes.ts'
import type { Model, Operations } from './model-state.ts'
import type { Last, Node } from './model-tree.ts'
import { ModelError } from './model-tree.ts'
import type { OperationName, Who } from './operations.ts'
import { bytesOf } from './operations.ts'
import type { OpenFileOperation } from './model-open-files.ts'
import { resize } from './model-open-files.ts'

const { O_CREAT, O_EXCL, O_RDWR } = constants

/** What was written in place by whoever looks is stored first. */
function stored(model: Model, node: Node, by: Who): Node {
  model.store(node, by)
  return node
}

function rename(model: Model, from: Last, to: Last, mode: RenameMode): void {
  const { tree } = model
  if (from.type !== 'name') throw new ModelError('EBUSY')
  if (to.type !== 'name') throw new ModelError(mode === 'noReplace' ? 'EEXIST' : 'EBUSY')
  const source = tree.child(from)
  if (source === undefined) throw new ModelError('ENOENT')
  const target = tree.child(to)
  if (from.directory === tree.lostAndFound || to.directory === tree.lostAndFound) throw new ModelError('EPERM')
  if (source === tree.lostAndFound || target === tree.lostAndFound) throw new ModelError('EBUSY')
  if (mode === 'noReplace' && target !== undefined) throw new ModelError('EEXIST')
  if (mode === 'exchange') {
    if (target === undefined) throw new ModelError('ENOENT')
    if (target.kind !== 'directory' && to.hasSlash) throw new ModelError('ENOTDIR')
  }
  const isDirectory = source.kind === 'directory'
  if (!isDirectory && (from.hasSlash || (mode !== 'exchange' && to.hasSlash))) throw new ModelError('ENOTDIR')
  if (tree.isWithin(to.directory, source)) throw new ModelError('EINVAL')
  if (target !== undefined && tree.isWithin(from.directory, target))
    throw new ModelError(mode === 'exchange' ? 'EINVAL' : 'ENOTEMPTY')
  if (source === target) return
  if (mode !== 'exchange' && target !== undefined) {
    if (isDirectory && target.kind !== 'directory') throw new ModelError('ENOTDIR')
    if (!isDirectory && target.kind === 'directory') throw new ModelError('EISDIR')
    if (target.entries.size > 0) throw new ModelError('ENOTEMPTY')
  }
  if (target !== undefined) tree.unlink(to.directory, to.name)
  tree.unlink(from.directory, from.name)
  tree.link(to.directory, to.name, source)
  if (mode === 'exchange' && target !== undefined) tree.link(from.directory, from.name, target)
}

export const TREE_OPERATIONS: Operations<Exclude<OperationName, OpenFileOperation>> = {
  open(model, { by, slot, path, flags, mode }) {
    model.close(slot)
    const {
      node,
      flags: { mayRead, mayWrite, appends },
    } = model.open(path, flags, mode)
    model.handles.set(slot, { by, node, mayRead, mayWrite, appends, position: 0 })
    return undefined
  },
  openUnnamed(model, { by, slot, path, mode }) {
    model.close(slot)
    const directory = model.tree.at(path)
    if (directory.kind !== 'directory') throw new ModelError('ENOTDIR')
    const node = model.tree.make(directory, undefined, 'file', { mode: model.modeOf(mode, 0o666) })
    model.handles.set(slot, {
      by,
      node,
      mayRead: true,
      mayWrite: true,
      appends: false,
      position: 0,
    })
    return undefined
  },
  readFile(model, { path }) {
    const { file } = model.open(path, 'r', undefined).node
    return file.read(0, file.size)
  },
  writeFile(model, { by, path, data, flags }) {
    const {
      node,
      flags: { appends },
    } = model.open(path, flags, undefined)
    const at = appends ? node.file.size : 0
    if (data.length > 0) {
      if (at + data.length > MAX_FILE_SIZE) throw new ModelError('EFBIG')
      const isInPlace = at + data.length <= node.file.size
      node.file.write(at, bytesOf(data))
      model.wrote(node, by, isInPlace)
      model.closed(node, by)
    }
    return undefined
  },
  copyFile(model, { path, dest, exclusive }) {
    const source = model.open(path, 'r', undefined).node
    const flags = O_RDWR | O_CREAT | (exclusive ? O_EXCL : 0)
    const { node } = model.open(dest, flags, source.mode)
    if (node === source) return undefined
    node.mode = source.mode
    node.file.copyAll(source.file)
    model.tree.changed(node)
    return undefined
  },
  truncate(model, { path, length }) {
    const { node } = model.open(path, 'r+', undefined)
    resize(model, node, length)
    return undefined
  },
  mkdir(model, { path, mode, recursive }) {
    // Linux leaves setuid and setgid out.
    const bits = model.modeOf(mode, 0o777) & 0o1777
    if (recursive !== true) {
      const { directory, name } = model.newName(path, true)
      model.tree.make(directory, name, 'directory', { mode: bits })
      return undefined
    }
    const names = path.split('/').filter((name) => name !== '')
    for (let depth = 1; depth <= names.length; depth++) {
      const part = depth === names.length ? path : `/${names.slice(0, depth).join('/')}`
      const last = model.tree.last(part)
      if (last.type === 'name' && model.tree.child(last) === undefined) {
        model.tree.make(last.directory, last.name, 'directory', { mode: bits })
      } else if (model.tree.at(part).kind !== 'directory') {
        throw new ModelError(depth === names.length ? 'EEXIST' : 'ENOTDIR')
      }
    }
    return undefined
  },
  mknod(model, { path, of, rdev }) {
    const { directory, name } = model.newName(path)
    model.tree.make(directory, name, of, { mode: model.modeOf(undefined, 0o666), rdev })
    return undefined
  },
  symlink(model, { target, path }) {
    if (target === '') throw new ModelError('ENOENT')
    if (Buffer.byteLength(target) > 4095) throw new ModelError('ENAMETOOLONG')
    const { directory, name } = model.newName(path)
    model.tree.make(directory, name, 'symlink', { mode: 0o777, target })
    return undefined
  },
  readlink(model, { path }) {
    const node = model.tree.at(path, false)
    if (node.kind !== 'symlink') throw new ModelError('EINVAL')
    return node.target
  },
  link(model, { path, dest }) {
    model.linkTo(model.tree.at(path, false), dest)
    return undefined
  },
  unlink(model, { path }) {
    const last = model.tree.last(path)
    if (last.type !== 'name') throw new ModelError('EISDIR')
    const node = model.tree.child(last)
    if (node === undefined) throw new ModelError('ENOENT')
    if (node.kind === 'directory') throw new ModelError('EISDIR')
    if (last.hasSlash) throw new ModelError('ENOTDIR')
    model.tree.unlink(last.directory, last.name)
    return undefined
  },
  rmdir(model, { path }) {
    const last = model.tree.last(path)
    if (last.type !== 'name') throw new ModelError({ '.': 'EINVAL', '..': 'ENOTEMPTY', '/': 'EBUSY' }[last.type])
    const node = model.tree.child(last)
    if (node === undefined) throw new ModelError('ENOENT')
    if (node.kind !== 'directory') throw new ModelError('ENOTDIR')
    if (node === model.tree.lostAndFound) throw new ModelError('EBUSY')
    if (node.entries.size > 0) throw new ModelError('ENOTEMPTY')
    model.tree.unlink(last.directory, last.name)
    return undefined
  },
  rename(model, { path, dest, mode }) {
    rename(model, model.tree.last(path), model.tree.last(dest), mode)
    return undefined
  },
  readdir(model, { path }) {
    const node = model.tree.at(path)
    if (node.kind !== 'directory') throw new ModelError('ENOTDIR')
    return [...node.entries.keys()].toSorted(attributes.byBytes)
  },
  stat: (model, { by, path }) => stat(stored(model, model.tree.at(path), by)),
  lstat: (model, { by, path }) => stat(stored(model, model.tree.at(path, false), by)),
  exists(model, { path }) {
    try {
      model.tree.at(path)
      return true
    } catch (error) {
      if (error instanceof ModelError && ['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code)) return false
      throw error
    }
  },
  access(model, { path, mode }) {
    const node = model.tree.at(path)
    const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
    const isExecutable = node.kind === 'directory' || (node.mode & 0o111) !== 0
    const granted = own.uid === node.uid ? node.mode >> 6 : own.gid === node.gid ? node.mode >> 3 : node.mode
    const isAllowed = own.uid === 0 ? (mode & 1) === 0 || isExecutable : (granted & mode) === mode
    if (!isAllowed) throw new ModelError('EACCES')
    return undefined
  },
  realpath: (model, { path }) => model.tree.realPath(path),
  chmod: (model, { path, mode }) => attributes.setMode(model.tree.at(path), mode),
  chown: (model, { path, uid, gid }) => attributes.setOwner(model.tree.at(path), uid, gid),
  lchown: (model, { path, uid, gid }) => attributes.setOwner(model.tree.at(path, false), uid, gid),
  utimes: (model, { by, path, ...times }) => attributes.setTimes(model, model.tree.at(path), by, times),
  lutimes: (model, { by, path, ...times }) => attributes.setTimes(model, model.tree.at(path, false), by, times),
  configure: (model, { path, change }) => attributes.setPolicies(model.tree.at(path), change),
  setXattr: (model, { path, name, value, mode }) => attributes.setXattr(model.tree.at(path), name, value, mode),
  getXattr: (model, { path, name }) => attributes.getXattr(model.tree.at(path), name),
  listXattrs: (model, { path }) => attributes.listXattrs(model.tree.at(path)),
  removeXattr: (model, { path, name }) => attributes.removeXattr(model.tree.at(path), name),
}
