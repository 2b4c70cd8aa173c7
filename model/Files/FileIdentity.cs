using Microsoft.Win32.SafeHandles;

namespace Dnabert2.Files;

/// <summary>Tells whether two names are of one file: by what they lead to, not by how they are spelt.</summary>
public static class FileIdentity
{
    private const int MostLinks = 40;

    /// <summary>
    /// Whether two paths lead to the same file or folder: through symbolic links anywhere in them, as hard links, in another spelling where
    /// a disk makes no difference between them. Of paths that lead to nothing yet, whether what is written to them would be one file.
    /// </summary>
    /// <exception cref="IOException">Symbolic links lead in a circle.</exception>
    public static bool AreSame(string first, string second)
    {
        ArgumentException.ThrowIfNullOrEmpty(first);
        ArgumentException.ThrowIfNullOrEmpty(second);
        FileStatus? there = FileStatus.Of(first), other = FileStatus.Of(second);
        if (there is { } x && other is { } y)
        {
            string one = Path.GetFullPath(first), two = Path.GetFullPath(second);
            return IsSame(x, y) || one == two || (OperatingSystem.IsWindows() && SameName(one, two));
        }

        if (there is not null || other is not null) return false;
        string a = Resolve(first), b = Resolve(second);
        if (a == b) return true;
        return SameName(Path.GetFileName(a), Path.GetFileName(b)) && AreSame(Path.GetDirectoryName(a)!, Path.GetDirectoryName(b)!);
    }

    /// <summary>Whether a path leads to the file that is open. A terminal, a pipe or a device is none.</summary>
    public static bool IsOf(SafeFileHandle file, string path)
    {
        ArgumentNullException.ThrowIfNull(file);
        return FileStatus.Of(file) is { IsRegular: true } open && FileStatus.Of(path) is { } there && IsSame(open, there);
    }

    /// <summary>
    /// The path of what a path leads to: without symbolic links, whether or not there is anything at its end. A link <c>..</c> in a link
    /// is read as the system reads it: from where the link lies.
    /// </summary>
    /// <exception cref="IOException">Links lead in a circle, or to an open descriptor of a process.</exception>
    public static string Resolve(string path)
    {
        string full = Path.GetFullPath(path), at = Path.GetPathRoot(full)!;
        var rest = new Stack<string>();
        Push(full[at.Length..]);
        int links = 0;
        while (rest.TryPop(out string? part))
        {
            if (part == "..")
            {
                at = Path.GetDirectoryName(at) ?? at;
                continue;
            }

            string next = Path.Combine(at, part);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                at = next;
                continue;
            }

            if (++links > MostLinks) throw new IOException($"{path}: symbolic links form a loop");
            if (at.StartsWith("/proc/", StringComparison.Ordinal) && at.EndsWith("/fd", StringComparison.Ordinal))
                throw new IOException($"{path}: this is what a process has open, not the name of a file; name one");
            string root = Path.IsPathRooted(target) ? Path.GetPathRoot(target)! : "";
            if (root.Length > 0) at = root;
            Push(target[root.Length..]);
        }

        return at;

        void Push(string relative)
        {
            foreach (string part in relative.Split(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar).Reverse())
                if (part is not ("" or ".")) rest.Push(part);
        }
    }

    private static bool IsSame(FileStatus a, FileStatus b) => a.Number != 0 && (a.Device, a.Number) == (b.Device, b.Number);

    // Where disks usually do not tell capitals apart, two new names that differ in them alone would be one file.
    private static bool SameName(string a, string b) =>
        string.Equals(
            a, b, OperatingSystem.IsWindows() || OperatingSystem.IsMacOS() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);
}
