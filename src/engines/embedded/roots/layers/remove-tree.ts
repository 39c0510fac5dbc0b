import { chmodSync, lstatSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { Folder } from './folder.ts'

/** Deletes what stands at a path of ours: a file, a link (never what it leads to) or a whole folder, also one without permissions. Nothing there is fine. */
export function removeTree(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return
  const parent = Folder.open(dirname(path))
  try {
    removeEntry(parent, basename(path))
  } finally {
    parent.close()
  }
}

/** The same for a name in an open folder. */
export function removeEntry(parent: Folder, name: string): void {
  const found = parent.look(name)
  if (found === null) return
  if (!found.isDirectory()) {
    unlinkSync(parent.at(name))
    return
  }
  const folder = enter(parent, name)
  try {
    removeContent(folder)
  } finally {
    folder.close()
  }
  rmdirSync(parent.at(name))
}

/** Empties an open folder. */
export function removeContent(folder: Folder): void {
  for (const inner of readdirSync(folder.at('.'))) removeEntry(folder, inner)
}

/** An ordinary user cannot list or empty a folder without its own permissions on it. */
function enter(parent: Folder, name: string): Folder {
  if (process.geteuid?.() !== 0) chmodSync(parent.at(name), 0o700)
  return parent.into(name)
}
