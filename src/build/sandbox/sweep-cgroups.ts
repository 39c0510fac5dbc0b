import { readdirSync, rmdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { backoff } from '../../lib/backoff.ts'
import { systemClock } from '../../os/system-clock.ts'
import { CGROUP_PREFIX } from './oci-runtime.ts'

const MOUNTS = '/sys/fs/cgroup'

/** Longest wait for the processes of a killed RUN to be gone from its cgroups. */
const TRIES = 20

/** Removes the cgroups that a killed OCI runtime left for a RUN, as soon as they are empty. */
export async function sweepCgroups(workFolder: string): Promise<void> {
  let tries = 0
  for (const delay of backoff()) {
    if (removeEmpty(workFolder) || ++tries > TRIES) return
    await systemClock.sleep(delay, new AbortController().signal)
  }
}

/** By the name of its work folder: in version 1 one in each hierarchy. Whether none is left. */
function removeEmpty(workFolder: string): boolean {
  let gone = true
  const name = CGROUP_PREFIX + basename(workFolder)
  for (const folder of ['', ...read(MOUNTS)]) {
    try {
      rmdirSync(join(MOUNTS, folder, name))
    } catch (failed) {
      // EBUSY: somebody in it is still dying. All else: this RUN had none in this hierarchy.
      if ((failed as NodeJS.ErrnoException).code === 'EBUSY') gone = false
    }
  }
  return gone
}

function read(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
