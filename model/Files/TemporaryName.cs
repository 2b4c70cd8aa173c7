using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Dnabert2.Files;

/// <summary>
/// The names of files that become a result, <c>.NAME.dnabert2-0123456789abcdef.tmp</c> beside it, and of what such a file replaces, the
/// same with <c>.former</c>. They tell which result a killed process has left them of; whether a process still writes one is told by its
/// lock, which the system takes back from the killed.
/// </summary>
internal static class TemporaryName
{
    private const int RandomBytes = 8, LongestLabel = 200;
    private const string Mark = ".dnabert2-", End = ".tmp";

    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789abcdef");

    /// <summary>What is added to the temporary name of a file for the name under which what it replaces is kept.</summary>
    public const string Former = ".former";

    /// <summary>A new name for what becomes a file or folder, in the same folder.</summary>
    public static string Of(string final)
    {
        // Of no use to an adversary, and those of cryptography would want OpenSSL, which a native program can do without.
        Span<byte> bytes = stackalloc byte[RandomBytes];
        Random.Shared.NextBytes(bytes);
        string random = Convert.ToHexStringLower(bytes);
        return Path.Combine(Path.GetDirectoryName(final)!, Start(final) + random + End);
    }

    /// <summary>Whether a name is one that <see cref="Of"/> gives for this final name, or that of what was to be replaced.</summary>
    public static bool IsOf(string final, ReadOnlySpan<char> name)
    {
        string start = Start(final);
        if (name.EndsWith(Former)) name = name[..^Former.Length];
        return name.Length == start.Length + (2 * RandomBytes) + End.Length && name.StartsWith(start) && name.EndsWith(End)
            && !name.Slice(start.Length, 2 * RandomBytes).ContainsAnyExcept(Digits);
    }

    /// <summary>Whether a process has the file open, as it has what it writes.</summary>
    public static bool IsLocked(string path)
    {
        if (FileStatus.Of(path) is not { IsRegular: true }) return false;
        try
        {
            using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
            return false;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    /// <summary>
    /// Removes what a file belongs to unless a process has it open: while the file is locked here, so that a process that has just made it
    /// either finds the lock taken, or its file gone, and takes another name.
    /// </summary>
    public static void RemoveUnlessLocked(string path, Action remove)
    {
        if (FileStatus.Of(path) is not { IsRegular: true })
        {
            remove();
            return;
        }

        FileStream held;
        try
        {
            // Elsewhere than on Unix a file that is open is removed only where that is shared.
            held = new FileStream(
                path, FileMode.Open, FileAccess.ReadWrite, OperatingSystem.IsWindows() ? FileShare.Delete : FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return;
        }

        using (held) remove();
    }

    /// <summary>
    /// Whether a new file could not be locked because another process looks at it, as at what may be left of a killed one.
    /// </summary>
    public static bool IsLookedAt(IOException e)
    {
        const int linux = 11, others = 35, windows = unchecked((int)0x80070020);
        return e.HResult is linux or others or windows;
    }

    // No file name is longer than 255 bytes.
    private static string Start(string final)
    {
        string label = Path.GetFileName(final);
        byte[] bytes = Encoding.UTF8.GetBytes(label);
        return $".{(bytes.Length > LongestLabel ? Convert.ToHexStringLower(SHA256.HashData(bytes)) : label)}{Mark}";
    }
}
