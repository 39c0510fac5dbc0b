// Tells a counter that it runs, says so in its log, takes its time, and ends as it is told.
const { COUNTER = '', MIGRATE_MS = '0', MIGRATE_EXIT = '0' } = process.env
console.log('moving the table of orders')
if (COUNTER !== '') await fetch(COUNTER)
await new Promise((resolve) => setTimeout(resolve, Number(MIGRATE_MS)))
console.log(`migrate ends with ${MIGRATE_EXIT}`)
process.exit(Number(MIGRATE_EXIT))
