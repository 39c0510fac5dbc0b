import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'

/** Where supervisors keep track of what they started: cgroup v2, and systemd's own hierarchy where v1 is mounted. */
const TRACKED = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd']

/**
 * Leaves the cgroups of whoever started us, where that is allowed, so that replicas outlive a supervisor that kills groups.
 * Answers how to go back at the end: the cgroups are taken away.
 */
export function enterOwnCgroup(instanceId: string): () => void {
  if (!isInside()) return () => {}
  const entered = TRACKED.filter((root) => enter(root, `${root}/naru-${instanceId}-keeper`))
  return () => {
    for (const root of entered) leave(root, `${root}/naru-${instanceId}-keeper`)
  }
}

/** Whether some tracked hierarchy has us in a cgroup other than its root. */
const isInside = (): boolean =>
  readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .some((line) => /^\d+:(name=systemd)?:\/./.test(line))

function enter(root: string, folder: string): boolean {
  try {
    // Only a cgroup hierarchy makes cgroup.procs in a new folder; the root of a v1 tmpfs has none.
    readFileSync(`${root}/cgroup.procs`)
    mkdirSync(folder, { recursive: true })
    writeFileSync(`${folder}/cgroup.procs`, '0')
    return true
  } catch {
    return false // not allowed here: we stay where we are
  }
}

function leave(root: string, folder: string): void {
  try {
    writeFileSync(`${root}/cgroup.procs`, '0')
    rmdirSync(folder)
  } catch {
    // Something of ours still runs in it: its successor takes it away.
  }
}
