import { createServer } from 'node:net'
import { appendFileSync } from 'node:fs'
import type { ToRouter } from '../../../model/router-channel.ts'
import { listenOnSocket } from '../../../os/listening-socket.ts'

// A router for tests of the keeper: node testing-router.ts PORT FILE. It answers its pid on the port and writes down what it is told.
const [port = '0', file = ''] = process.argv.slice(2)
process.on('message', (message: ToRouter, handle?: object) => {
  appendFileSync(file, `${JSON.stringify(message)}\n`)
  if (message.kind === 'shutdown') process.exit(0)
  if (message.kind === 'listen' && handle !== undefined) {
    void listenOnSocket(
      createServer((client) => client.end(String(process.pid))),
      handle,
    )
  }
})
process.send?.({ kind: 'bind', host: '127.0.0.1', port: Number(port) })
