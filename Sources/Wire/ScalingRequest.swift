internal import CWire
import Jobs

extension ScalingRequest {
  init(reading message: Wire__Fleet) throws(WireError) {
    switch unsafe message.body_case {
    case WIRE__FLEET__BODY_STATUS: self = .status
    case WIRE__FLEET__BODY_DRAIN: self = unsafe .drain(message.drain != 0)
    case WIRE__FLEET__BODY_SCALE:
      let scale = try unsafe Field.required(message.scale, "fleet.scale")
      let counts = 0...Limits.workers
      let hasLeast = unsafe scale.optional_least_case == WIRE__SCALE_POOL__OPTIONAL_LEAST_LEAST
      let hasMost = unsafe scale.optional_most_case == WIRE__SCALE_POOL__OPTIONAL_MOST_MOST
      self = .scale(
        pool: try unsafe Field.text(scale.pool, limit: WireLimits.nameByteCount, "scale.pool"),
        least: hasLeast ? try unsafe Field.number(scale.least, in: counts, "scale.least") : nil,
        most: hasMost ? try unsafe Field.number(scale.most, in: counts, "scale.most") : nil,
        reopens: unsafe scale.reopen != 0)
    default: throw .invalid("fleet.body", "missing, or of a kind that this version does not know")
    }
  }

  func packed(in arena: MessageArena) -> UnsafeMutablePointer<Wire__Fleet> {
    unsafe arena.message(wire__fleet__init) { message in
      switch self {
      case .status:
        unsafe message.body_case = WIRE__FLEET__BODY_STATUS
        unsafe message.status = arena.message(wire__empty__init) { _ in }
      case .drain(let isOn):
        unsafe message.body_case = WIRE__FLEET__BODY_DRAIN
        unsafe message.drain = isOn ? 1 : 0
      case .scale(let pool, let least, let most, let reopens):
        unsafe message.body_case = WIRE__FLEET__BODY_SCALE
        unsafe message.scale = arena.message(wire__scale_pool__init) { scale in
          unsafe scale.pool = arena.text(pool, limit: WireLimits.nameByteCount, "scale.pool")
          if let least {
            unsafe scale.optional_least_case = WIRE__SCALE_POOL__OPTIONAL_LEAST_LEAST
            unsafe scale.least = UInt32(clamping: least)
          }
          if let most {
            unsafe scale.optional_most_case = WIRE__SCALE_POOL__OPTIONAL_MOST_MOST
            unsafe scale.most = UInt32(clamping: most)
          }
          unsafe scale.reopen = reopens ? 1 : 0
        }
      }
    }
  }
}
