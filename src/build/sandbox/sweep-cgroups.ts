import { readdirSync, rmdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CGROUP_PARENT } from './oci-runtime.ts'

const MOUNTS = '/sys/fs/cgroup'

/** Removes the empty cgroups that an OCI runtime left for a RUN, by the name of its work folder, and their parents when they are the last. */
export function sweepCgroups(workFolder: string): void {
  for (const parent of parents()) {
    removeEmpty(join(parent, basename(workFolder)))
    removeEmpty(parent)
  }
}

/** In version 1 each hierarchy has its own folder below the mount, in version 2 there is one. */
function parents(): readonly string[] {
  const names = read(MOUNTS).map((name) => join(MOUNTS, name, CGROUP_PARENT))
  return [join(MOUNTS, CGROUP_PARENT), ...names]
}

function read(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // Not there, or in use by a RUN of now: then it is not ours to remove.
  }
}
