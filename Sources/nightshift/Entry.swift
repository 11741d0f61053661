import ArgumentParser
import Commands

@main
struct Entry {
  static func main() async {
    await Nightshift.main(nil)
  }
}
