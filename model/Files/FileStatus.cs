using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dnabert2.Files;

/// <summary>What the system says of a file, links followed.</summary>
/// <param name="Device">The disk it lies on.</param>
/// <param name="Number">Its number there.</param>
/// <param name="Type">Its type and permissions, as <c>st_mode</c>.</param>
/// <param name="User">Its owner.</param>
/// <param name="Group">Its group.</param>
internal readonly partial record struct FileStatus(ulong Device, ulong Number, uint Type, uint User, uint Group)
{
    private const uint TypeMask = 0xF000, Pipe = 0x1000, Folder = 0x4000, Regular = 0x8000, Socket = 0xC000;
    private const int WriteAccess = 2;

    /// <summary>Whether it is a file with contents on a disk.</summary>
    public bool IsRegular => (Type & TypeMask) == Regular;

    public bool IsFolder => (Type & TypeMask) == Folder;

    /// <summary>What it is, for a message.</summary>
    public string Kind => (Type & TypeMask) switch
    {
        Regular => "a file",
        Folder => "a folder",
        Pipe => "a pipe",
        Socket => "a socket",
        _ => "a device",
    };

    /// <summary>The status of what is at a path; null where nothing is, or what is there cannot be asked.</summary>
    public static FileStatus? Of(string path)
    {
        // As .NET opens it: '..' is undone in the text.
        path = Path.GetFullPath(path);
        if (!OperatingSystem.IsWindows()) return Stat(path, out UnixStatus unix) == 0 ? Of(unix) : null;
        if (Directory.Exists(path)) return new FileStatus(0, 0, Folder, 0, 0);
        if (!File.Exists(path)) return null;
        using SafeFileHandle file = CreateFile(path, 0, FileShare.ReadWrite | FileShare.Delete, 0, FileMode.Open, 0, 0);
        return file.IsInvalid ? new FileStatus(0, 0, Regular, 0, 0) : Of(file);
    }

    /// <summary>The status of an open file; null where it cannot be asked.</summary>
    public static FileStatus? Of(SafeFileHandle file)
    {
        if (!OperatingSystem.IsWindows()) return FStat(file, out UnixStatus unix) == 0 ? Of(unix) : null;
        return GetFileInformationByHandle(file, out WindowsStatus windows)
            ? new FileStatus(windows.Volume, ((ulong)windows.IndexHigh << 32) | windows.IndexLow, Regular, 0, 0) : null;
    }

    /// <summary>Whether this process may write to a file or a folder.</summary>
    public static bool MayWrite(string path)
    {
        if (!OperatingSystem.IsWindows()) return Access(path, WriteAccess) == 0;
        return (File.GetAttributes(path) & (FileAttributes.ReadOnly | FileAttributes.Directory)) != FileAttributes.ReadOnly;
    }

    private static FileStatus Of(in UnixStatus s) => new((ulong)s.Device, (ulong)s.Number, (uint)s.Mode, s.User, s.Group);

    // The library through which .NET itself asks: its structure is the same on every Unix, which that of stat(2) is not.
    [LibraryImport("libSystem.Native", EntryPoint = "SystemNative_Stat", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(string path, out UnixStatus status);

    [LibraryImport("libSystem.Native", EntryPoint = "SystemNative_FStat")]
    private static partial int FStat(SafeFileHandle file, out UnixStatus status);

    [LibraryImport("libc", EntryPoint = "access", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Access(string path, int mode);

    [LibraryImport("kernel32", EntryPoint = "CreateFileW", StringMarshalling = StringMarshalling.Utf16)]
    private static partial SafeFileHandle CreateFile(
        string path, uint access, FileShare share, nint security, FileMode mode, uint flags, nint template);

    [LibraryImport("kernel32")]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool GetFileInformationByHandle(SafeFileHandle file, out WindowsStatus status);

    [StructLayout(LayoutKind.Sequential)]
    private struct UnixStatus
    {
        public int Flags, Mode;
        public uint User, Group;
        public long Size, Accessed, AccessedNanoseconds, Modified, ModifiedNanoseconds, Changed, ChangedNanoseconds, Born, BornNanoseconds;
        public long Device, DeviceOfSpecial, Number;
        public uint UserFlags;
    }

    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    private struct WindowsStatus
    {
        public uint Attributes;
        public long Created, Accessed, Modified;
        public uint Volume, SizeHigh, SizeLow, Links, IndexHigh, IndexLow;
    }
}
