// WebTorrent without WebRTC: the real package downloads a binary when it is installed.
export const RTCPeerConnection = undefined
export const RTCSessionDescription = undefined
export const RTCIceCandidate = undefined
export default {}
