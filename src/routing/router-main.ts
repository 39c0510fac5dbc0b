import { runRouter } from './router-process.ts'

/** The router's process: `node router-main.ts FOLDER INSTANCE nftables|none`. Started by the keeper with an argument list of main.ts. */
const [folder, instanceId, fastPath] = process.argv.slice(2)
if (folder === undefined || instanceId === undefined || (fastPath !== 'nftables' && fastPath !== 'none')) {
  process.stderr.write('usage: router-main FOLDER INSTANCE nftables|none\n')
  process.exit(2)
}
await runRouter({ folder, instanceId, fastPath, note: (message) => process.stderr.write(`${message}\n`) })
process.exit(0)
