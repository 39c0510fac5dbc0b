import { runRouter } from './router-process.ts'

/**
 * The router's process: `node router-main.ts FOLDER INSTANCE nftables|none`. Started by the keeper with an argument list of main.ts.
 * NARU_ROUTER_SOCKETS=net has it use `node:net` alone, should Node's own handles ever be the trouble (docs/decisions/0016).
 */
const [folder, instanceId, fastPath] = process.argv.slice(2)
if (folder === undefined || instanceId === undefined || (fastPath !== 'nftables' && fastPath !== 'none')) {
  process.stderr.write('usage: router-main FOLDER INSTANCE nftables|none\n')
  process.exit(2)
}
const sockets = process.env.NARU_ROUTER_SOCKETS === 'net' ? 'net' : 'handles'
await runRouter({ folder, instanceId, fastPath, sockets, note: (message) => process.stderr.write(`${message}\n`) })
process.exit(0)
