import Testing
import Transport

struct AddressTests {
  @Test(arguments: [
    ("tcp://127.0.0.1:7070", "127.0.0.1", 7070, false, true),
    ("tls+tcp://coordinator.example-1.org:65535", "coordinator.example-1.org", 65535, true, false),
    ("tcp://[::1]:0", "::1", 0, false, true),
    ("tcp://[FE80::1]:1", "fe80::1", 1, false, false),
    ("tcp://Localhost:80", "localhost", 80, false, true),
    ("tcp://127.255.0.9:80", "127.255.0.9", 80, false, true),
    ("tcp://127.0.0.1.example:80", "127.0.0.1.example", 80, false, false),
    ("tcp://0.0.0.0:80", "0.0.0.0", 80, false, false),
  ])
  func goodAddressIsRead(
    text: String, host: String, port: UInt16, usesTLS: Bool, isLoopback: Bool
  ) throws {
    let address = try Address(text)
    #expect(address.host == host)
    #expect(address.port == port)
    #expect(address.usesTLS == usesTLS)
    #expect(address.isLoopback == isLoopback)
    #expect(address.description == text.lowercased())
    #expect(try Address(address.description) == address)
    #expect(address.withPort(9).port == 9)
  }

  @Test(arguments: [
    "ipc:///tmp/socket", "ipc://x:1", "inproc://x:1", "ws://h:1", "tcp4://h:1", "tls+tcp4://h:1",
    "zt://h:1", "abstract://h:1", "http://h:1", "h:1", "", "tcp://", "tcp://h", "tcp://:1",
    "tcp://h:", "tcp://h:-1", "tcp://h:+1", "tcp://h:65536", "tcp://h:1/", "tcp://h:1/path",
    "tcp://h:1?x", "tcp://u@h:1", "tcp://lo;h:1", "tcp://*:1", "tcp://h h:1", "tcp://::1:1",
    "tcp://[::1:1", "tcp://[h]:1", "tcp://h\n:1", "tcp://ü:1", "TCP://h:1", "tcp://h:٣",
  ])
  func badAddressIsRefused(text: String) {
    let error = #expect(throws: TransportError.self) { try Address(text) }
    #expect(error?.code == .refusedAddress)
  }
}
