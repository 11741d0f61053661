extension Server {
  /// The number of the connection by which the request came that a handler answers.
  package static var connection: Int32? { origin?.connection }

  /// Takes note that the peer whose request a handler answers has proved who it is.
  ///
  /// Where most of the allowed connections are taken, those of strangers have to go.
  ///
  /// - Parameter number: Tells peers apart, where each may have a few connections alone: the oldest
  ///   of more is a stranger's again.
  package static func recognizePeer(_ number: UInt64? = nil) {
    guard let origin else { return }
    origin.pipes.recognize(origin.connection, of: number)
  }

  struct Origin: Sendable {
    let connection: Int32
    let pipes: Pipes
  }
}
