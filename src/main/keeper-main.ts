import { runKeeper } from '../engines/embedded/keeper/keeper-process.ts'

/** The keeper's process: `node keeper-main.ts FOLDER ROUTER_PROGRAM ROUTER_ARGUMENT…`. Started by the embedded engine with an argument list of open-place.ts. */
const [folder, ...routerCommand] = process.argv.slice(2)
if (folder === undefined || routerCommand.length === 0) {
  process.stderr.write('usage: keeper-main FOLDER ROUTER_PROGRAM [ARGUMENT...]\n')
  process.exit(2)
}
await runKeeper({ folder, routerCommand })
process.exit(0)
