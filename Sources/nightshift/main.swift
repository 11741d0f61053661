import Commands

await Nightshift.runProcess()
