import mmap

if x86():

    def run_code(code):
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(code)
        return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()

    # getpid through int 0x80 (i386 number 20) and through the x32 bit (0x40000000 | 39)
    doors = {"int 0x80": b"\xb8\x14\x00\x00\x00\xcd\x80\xc3", "x32": b"\xb8\x27\x00\x00\x40\x0f\x05\xc3"}
    for name, code in doors.items():
        child = os.fork()
        if child == 0:
            os._exit(0 if run_code(code) > 0 else 1)
        if os.WIFEXITED(status := os.waitpid(child, 0)[1]) and os.WEXITSTATUS(status) == 0:
            through.append(name)
