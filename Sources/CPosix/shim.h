// Calls of glibc that its Swift module does not show (they stand behind _GNU_SOURCE).

// rename(2); flag 1 is RENAME_NOREPLACE. Since glibc 2.28.
int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags);
