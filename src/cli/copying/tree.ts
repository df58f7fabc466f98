/**
 * Copies of whole trees, between any two file systems that are described as below.
 *
 * What arrives: directories, files, symlinks as symlinks, further names of one inode as further names, permission bits,
 * times, and the owner where this process may give it. Sockets, fifos and device nodes are left out, with a warning.
 * Each file is made whole or not at all, so an interruption leaves whole files. What fails is reported, the rest goes on.
 * What is there already is replaced name by name; directories are merged.
 */
import { posix } from 'node:path'
import { systemError } from '../../errors.ts'
import type { InodeKind } from '../../index.ts'
import { turnIfDue } from '../../platform/event-loop.ts'
import { ExitCode } from '../exit-codes.ts'
import type { Progress } from '../progress.ts'
import type { Outcome, Run } from '../verb.ts'

/** What a tree has at a path. */
export interface TreeNode {
  readonly kind: InodeKind
  /** The same for all names of one inode, and for no other. */
  readonly key: string
  readonly nlink: number
  /** Permission bits. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly atimeNs: bigint
  readonly mtimeNs: bigint
  /** Those named 'user.…', where they can be read. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>
}

export interface SourceTree {
  /** Symlinks are not followed. */
  look(path: string): Promise<TreeNode>
  names(path: string): AsyncIterable<string>
  readlink(path: string): Promise<string>
}

export interface TargetTree {
  /** Undefined: nothing is there. */
  look(path: string): Promise<TreeNode | undefined>
  makeDirectory(path: string, node: TreeNode): Promise<void>
  /** Over whatever is there that is no directory, as all below. */
  makeSymlink(path: string, target: string, isTaken: boolean): Promise<void>
  makeLink(path: string, existing: string, isTaken: boolean): Promise<void>
  /** Owner, bits, times; the last thing that is done to a directory. */
  finish(path: string, node: TreeNode): Promise<void>
}

export interface Trees {
  readonly source: SourceTree
  readonly target: TargetTree
  /** Content and all that `finish` gives, in one step. */
  copyFile(from: string, to: string, node: TreeNode, isTaken: boolean): Promise<void>
}

/** What came of a copy: names of each kind. */
export interface Tally {
  readonly files: number
  readonly directories: number
  readonly symlinks: number
  /** Names that were made links of files (or symlinks) counted before. */
  readonly links: number
  /** Of the files, holes not counted. */
  readonly bytes: number
  readonly skipped: number
  readonly failed: number
}

/** Thrown by a tree for what is not to be copied; the message says what it is. */
export class LeftOut extends Error {}

export async function copyTree(run: Run, trees: Trees, from: string, to: string, progress: Progress): Promise<Tally> {
  const counts = { files: 0, directories: 0, symlinks: 0, links: 0, skipped: 0, failed: 0 }
  await new TreeCopy(run, trees, counts, progress).copy(from, to)
  return { ...counts, bytes: progress.doneBytes }
}

const isDevice = (kind: InodeKind): boolean => kind === 'character' || kind === 'block'

/** What a verb came to that copied a tree. */
export const treeOutcome = (from: string, to: string, tally: Tally): Outcome => ({
  json: { from, to, ...tally },
  exitCode: tally.failed === 0 ? ExitCode.done : ExitCode.failed,
})

type Counts = Record<Exclude<keyof Tally, 'bytes'>, number>

class TreeCopy {
  readonly #run: Run
  readonly #trees: Trees
  readonly #counts: Counts
  readonly #progress: Progress
  /** Where the first name of an inode with several went. */
  readonly #copies = new Map<string, string>()

  constructor(run: Run, trees: Trees, counts: Counts, progress: Progress) {
    this.#run = run
    this.#trees = trees
    this.#counts = counts
    this.#progress = progress
  }

  /** Copies what is at `from`, with all below; reports what fails. */
  async copy(from: string, to: string): Promise<void> {
    try {
      await turnIfDue()
      this.#run.signal.throwIfAborted()
      const node = await this.#trees.source.look(from)
      if (node.kind === 'directory') await this.#copyDirectory(from, to, node)
      else await this.#copyLeaf(from, to, node)
    } catch (error) {
      this.#run.signal.throwIfAborted()
      if (error instanceof LeftOut) {
        this.#counts.skipped++
        await this.#run.warn(`left out: ${error.message}`, from)
      } else {
        this.#counts.failed++
        await this.#run.report(error)
      }
    }
  }

  async #copyDirectory(from: string, to: string, node: TreeNode): Promise<void> {
    const { source, target } = this.#trees
    const there = await target.look(to)
    if (there !== undefined && there.kind !== 'directory') {
      const what = `a directory cannot replace a ${there.kind}`
      throw systemError('ENOTDIR', what, { syscall: 'mkdir', path: to })
    }
    if (there === undefined) {
      await target.makeDirectory(to, node)
      this.#run.hasChanged = true
    }
    for await (const name of source.names(from)) await this.copy(posix.join(from, name), posix.join(to, name))
    await target.finish(to, node)
    this.#counts.directories++
  }

  async #copyLeaf(from: string, to: string, node: TreeNode): Promise<void> {
    const { kind, key, nlink } = node
    if (kind !== 'file' && kind !== 'symlink') throw new LeftOut(isDevice(kind) ? `a ${kind} device` : `a ${kind}`)
    const { source, target } = this.#trees
    const there = await target.look(to)
    if (there?.kind === 'directory') {
      throw systemError('EISDIR', `a ${kind} cannot replace a directory`, { syscall: 'rename', path: to })
    }
    const copied = nlink > 1 ? this.#copies.get(key) : undefined
    if (copied !== undefined) {
      await target.makeLink(to, copied, there !== undefined)
      this.#counts.links++
    } else if (kind === 'symlink') {
      await target.makeSymlink(to, await source.readlink(from), there !== undefined)
      await target.finish(to, node)
      this.#counts.symlinks++
    } else {
      await this.#trees.copyFile(from, to, node, there !== undefined)
      this.#counts.files++
      this.#progress.addFile()
    }
    this.#run.hasChanged = true
    if (nlink > 1) this.#copies.set(key, to)
  }
}
