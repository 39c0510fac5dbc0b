import { connect } from 'node:net'

/** Asks HEAD on some kept connections, one request at a time on each, for so long (wrk waits for a body after HEAD). Answers how many were answered. */
export async function headLoad(host: string, path: string, accept: string, connections: number, ms: number) {
  const [hostname = '', port = ''] = host.split(':')
  const request = `HEAD ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: ${accept}\r\n\r\n`
  const until = Date.now() + ms
  let answered = 0
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write(request))
      let text = ''
      socket.setEncoding('latin1').on('data', (chunk) => {
        text += chunk
        if (!text.endsWith('\r\n\r\n')) return
        if (!text.startsWith('HTTP/1.1 200')) return reject(new Error(text))
        text = ''
        answered++
        if (Date.now() < until) socket.write(request)
        else socket.end()
      })
      socket.on('error', reject).on('close', () => resolve())
    })
  await Promise.all(Array.from({ length: connections }, one))
  return answered
}
