using System.Runtime.InteropServices;

namespace Engine.Kernels;

/// <summary>Memory that is written first and made executable afterwards, never both at a time.</summary>
internal sealed unsafe partial class ExecutableMemory : IDisposable
{
    private const int ReadWrite = 3, ReadExecute = 5, Private = 2;
    private const uint Commit = 0x3000, Release = 0x8000, PageReadWrite = 4, PageExecuteRead = 0x20;
    private readonly nint _length;

    private ExecutableMemory(nint address, nint length) => (Address, _length) = (address, length);

    public nint Address { get; private set; }

    /// <summary>The code in executable memory, or null where the system does not allow that.</summary>
    public static ExecutableMemory? TryCreate(ReadOnlySpan<byte> code)
    {
        nint length = code.Length, address = Map(length);
        if (address == 0) return null;
        var memory = new ExecutableMemory(address, length);
        code.CopyTo(new Span<byte>((void*)address, code.Length));
        if (Protect(address, length)) return memory;
        memory.Dispose();
        return null;
    }

    public void Dispose()
    {
        if (Address == 0) return;
        if (OperatingSystem.IsWindows()) _ = VirtualFree(Address, 0, Release);
        else _ = munmap(Address, _length);
        Address = 0;
    }

    private static nint Map(nint length)
    {
        if (OperatingSystem.IsWindows()) return VirtualAlloc(0, length, Commit, PageReadWrite);
        int anonymous = OperatingSystem.IsLinux() ? 0x20 : 0x1000;
        nint address = mmap(0, length, ReadWrite, Private | anonymous, -1, 0);
        return address == -1 ? 0 : address;
    }

    private static bool Protect(nint address, nint length) => OperatingSystem.IsWindows()
        ? VirtualProtect(address, length, PageExecuteRead, out _) != 0
        : mprotect(address, length, ReadExecute) == 0;

    [LibraryImport("libc")]
    private static partial nint mmap(nint address, nint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc")]
    private static partial int mprotect(nint address, nint length, int protection);

    [LibraryImport("libc")]
    private static partial int munmap(nint address, nint length);

    [LibraryImport("kernel32")]
    private static partial nint VirtualAlloc(nint address, nint length, uint type, uint protection);

    [LibraryImport("kernel32")]
    private static partial int VirtualProtect(nint address, nint length, uint protection, out uint before);

    [LibraryImport("kernel32")]
    private static partial int VirtualFree(nint address, nint length, uint type);
}
