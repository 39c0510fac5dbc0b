/** A server in a process of its own, so that a scenario can kill it: `node serve.ts FOLDER`. Says `serving` when it serves. */
import { openServer } from '../../../src/main/open-server.ts'

const server = await openServer({ folder: process.argv[2] ?? '', listen: null, token: null })
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)))
process.stdout.write('serving\n')
