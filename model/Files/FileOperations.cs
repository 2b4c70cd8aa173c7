using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Dnabert2.Files;

/// <summary>
/// What <see cref="ResultFiles"/>, and the runs of models that write them, do to a disk; tests put one in its place on which each of these
/// may fail.
/// </summary>
internal partial class FileOperations
{
    private const UnixFileMode Permissions = (UnixFileMode)0x1FF;

    // What the library of .NET calls them, whatever the system does.
    private const int ReadOnly = 0, CloseOnExecution = 0x10;

    /// <summary>The disks of this machine.</summary>
    public static FileOperations OfMachine { get; } = new();

    /// <summary>Makes a file that nobody else can open while it is open here.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="size">The bytes to reserve for it.</param>
    /// <param name="mode">The permissions of what it will replace, so that nobody else ever sees its contents; null: the usual.</param>
    public virtual FileStream Create(string path, long size, UnixFileMode? mode) => Open(path, FileMode.CreateNew, size, mode);

    /// <summary>Makes a file, or opens it with what is in it, so that nobody else can open it meanwhile.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="mode">The permissions of a new one, as for <see cref="Create"/>.</param>
    public virtual FileStream OpenOrCreate(string path, UnixFileMode? mode) => Open(path, FileMode.OpenOrCreate, 0, mode);

    /// <summary>Writes a file to the disk.</summary>
    public virtual void Flush(FileStream file) => file.Flush(flushToDisk: true);

    /// <summary>Gives a file the owner, where that is allowed, and the permissions of another.</summary>
    public virtual void CopyPermissions(string from, FileStream to)
    {
        if (OperatingSystem.IsWindows()) return;
        UnixFileMode mode = File.GetUnixFileMode(from);
        if (FileStatus.Of(from) is { } wanted && FileStatus.Of(to.SafeFileHandle) is { } own
            && (wanted.User, wanted.Group) != (own.User, own.Group)
            && ChangeOwner(to.SafeFileHandle, wanted.User, wanted.Group) != 0)
            _ = ChangeOwner(to.SafeFileHandle, uint.MaxValue, wanted.Group);
        if (File.GetUnixFileMode(to.SafeFileHandle) != mode) File.SetUnixFileMode(to.SafeFileHandle, mode);
    }

    /// <summary>Gives a file a second name, or where a disk knows no such thing copies it.</summary>
    public virtual void Keep(string path, string second)
    {
        if (OperatingSystem.IsWindows() || Link(path, second) != 0) File.Copy(path, second);
    }

    /// <summary>Renames a file, over one that is there.</summary>
    public virtual void Move(string from, string to) => File.Move(from, to, overwrite: true);

    /// <summary>Removes a file.</summary>
    public virtual void Delete(string path) => File.Delete(path);

    /// <summary>
    /// Writes to the disk which names a folder holds: a file that is on the disk is lost with the power if its name is not. Nothing is done
    /// where the system, or the kind of the disk, knows no such thing.
    /// </summary>
    /// <exception cref="IOException">The disk is full or broken.</exception>
    public virtual void FlushFolder(string path)
    {
        if (OperatingSystem.IsWindows()) return;
        path = Path.GetFullPath(path);
        using SafeFileHandle folder = Open(path, ReadOnly | CloseOnExecution, 0);
        if (folder.IsInvalid || Synchronize(folder) == 0) return;
        const int broken = 5, full = 28, quotaOfLinux = 122, quotaOfOthers = 69;
        int error = Marshal.GetLastPInvokeError();
        if (error is broken or full || error == (OperatingSystem.IsLinux() ? quotaOfLinux : quotaOfOthers))
            throw new IOException(
                $"{path}: what was written there may be lost if the power fails: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    /// <summary>Makes a folder, and those it lies in, for what is to stay.</summary>
    public virtual void CreateFolder(string path)
    {
        string? there = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var made = new List<string>();
        for (; there is not null && !Directory.Exists(there); there = Path.GetDirectoryName(there)) made.Add(there);
        Directory.CreateDirectory(path);
        foreach (string folder in made) FlushFolder(Path.GetDirectoryName(folder)!);
    }

    /// <summary>Renames a folder.</summary>
    public virtual void MoveFolder(string from, string to) => Directory.Move(from, to);

    /// <summary>Removes a folder with all that is in it.</summary>
    public virtual void DeleteFolder(string path) => Directory.Delete(path, recursive: true);

    private static FileStream Open(string path, FileMode how, long size, UnixFileMode? mode)
    {
        var options = new FileStreamOptions
        {
            Mode = how,
            Access = FileAccess.Write,
            // On Unix the file is locked; elsewhere a file that is open can be renamed only where that is shared.
            Share = OperatingSystem.IsWindows() ? FileShare.Delete : FileShare.None,
            BufferSize = 1 << 16,
            PreallocationSize = size,
        };
        if (!OperatingSystem.IsWindows() && mode is { } own)
            options.UnixCreateMode = (own & Permissions) | UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string from, string to);

    [LibraryImport("libc", EntryPoint = "fchown")]
    private static partial int ChangeOwner(SafeFileHandle file, uint user, uint group);

    // As .NET itself opens and flushes; its classes open no folders.
    [LibraryImport("libSystem.Native", EntryPoint = "SystemNative_Open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle Open(string path, int flags, int mode);

    [LibraryImport("libSystem.Native", EntryPoint = "SystemNative_FSync", SetLastError = true)]
    private static partial int Synchronize(SafeFileHandle file);
}
