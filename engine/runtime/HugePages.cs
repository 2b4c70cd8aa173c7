using System.Runtime.InteropServices;

namespace Engine.Runtime;

/// <summary>Memory in pages of 2 MB, where the system gives them: fewer address translations for large tensors.</summary>
internal static unsafe partial class HugePages
{
    /// <summary>The size and alignment of such a page.</summary>
    public const nuint Size = 2 << 20;

    private const int Advice = 14;

    /// <summary>Asks Linux to back whole pages of an allocation. It may decline, which costs nothing but speed.</summary>
    public static void Advise(void* address, nuint bytes)
    {
        if (OperatingSystem.IsLinux()) _ = madvise(address, bytes / Size * Size, Advice);
    }

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}
