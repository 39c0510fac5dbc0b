import { runKeeper } from './keeper-process.ts'

// The keeper as tests start it: node testing-keeper.ts FOLDER [IDLE_MS] [ROUTER_COMMAND_JSON]
const [folder = '', idleMs = '30000', router = 'null'] = process.argv.slice(2)
await runKeeper({
  folder,
  routerCommand: JSON.parse(router),
  idleMs: Number(idleMs),
  ports: { first: 15_000, last: 19_999 },
})
process.exit(0)
