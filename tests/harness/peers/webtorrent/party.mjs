// WebTorrent as one side of a transfer on loopback.
//
// usage: node party.mjs JSON
//   torrent or link   path of the .torrent file, or the magnet link
//   folder            the folder of its files
//   port              port for peers
//   seeds             whether it has everything; then it is ready when the check is over
//   encrypted         true: RC4 only; false: plain connections
// Prints "ready PORT". Ends at the end of its input. Trackers are its only source of peers.

import WebTorrent from 'webtorrent'

const what = JSON.parse(process.argv[2])
const client = new WebTorrent({
  torrentPort: what.port,
  dht: false,
  lsd: false,
  utPex: false,
  utp: false,
  natUpnp: false,
  natPmp: false,
  secure: what.encrypted,
  webSeeds: false
})
client.on('error', error => {
  console.error(error)
  process.exit(1)
})

const torrent = client.add(what.link ?? what.torrent, { path: what.folder })
// It chooses files when it is ready, and downloads nothing else.
torrent.on('ready', () => torrent.select(0, torrent.pieces.length - 1, 0))
const ready = () => console.log(`ready ${client.torrentPort}`)
if (what.seeds) torrent.on('done', ready)
else if (client.listening) ready()
else client.on('listening', ready)

process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
