import { readdirSync, rmdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { CGROUP_PREFIX } from './oci-runtime.ts'

const MOUNTS = '/sys/fs/cgroup'

/** Removes the empty cgroups that a killed OCI runtime left for a RUN, by the name of its work folder: in version 1 one in each hierarchy. */
export function sweepCgroups(workFolder: string): void {
  const name = CGROUP_PREFIX + basename(workFolder)
  for (const folder of ['', ...read(MOUNTS)]) {
    try {
      rmdirSync(join(MOUNTS, folder, name))
    } catch {
      // Not there: this RUN had none in this hierarchy.
    }
  }
}

function read(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
