import { constants, setPriority } from 'node:os'
import { runRouter } from './router-process.ts'

/** The router's process: `node router-main.ts FOLDER INSTANCE nftables|none`. Started by the keeper with an argument list of main.ts. */
const [folder, instanceId, fastPath] = process.argv.slice(2)
if (folder === undefined || instanceId === undefined || (fastPath !== 'nftables' && fastPath !== 'none')) {
  process.stderr.write('usage: router-main FOLDER INSTANCE nftables|none\n')
  process.exit(2)
}
goFirst()
await runRouter({ folder, instanceId, fastPath, note: (message) => process.stderr.write(`${message}\n`) })
process.exit(0)

/**
 * What decides where connections go must not wait behind what it serves: with eight busy processes on two cores a crashed target left the
 * kernel's map in 5 ms instead of 20. Its helpers (nft, ss) inherit it. Only root may; for others it stays as it is.
 */
function goFirst(): void {
  try {
    setPriority(constants.priority.PRIORITY_ABOVE_NORMAL)
  } catch {
    // EACCES, EPERM.
  }
}
