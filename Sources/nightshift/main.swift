import Commands

await Nightshift.main()
