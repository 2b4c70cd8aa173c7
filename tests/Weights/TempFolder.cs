using Dnabert2.Weights;

namespace Tests.Weights;

/// <summary>A folder of its own for a test's files, removed with them.</summary>
internal sealed class TempFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("weights-");

    /// <summary>The path of a file in the folder.</summary>
    public string this[string name] => Path.Combine(_folder.FullName, name);

    /// <summary>The names of all files in the folder, hidden ones included.</summary>
    public string[] Names => [.. _folder.GetFiles().Select(f => f.Name).Order(StringComparer.Ordinal)];

    /// <summary>Writes a file and returns its path.</summary>
    public string Write(string name, ReadOnlySpan<byte> bytes)
    {
        string path = this[name];
        File.Delete(path); // Faster than overwriting: some file systems flush a file that was cut and written again.
        using FileStream stream = File.Create(path);
        stream.Write(bytes);
        return path;
    }

    /// <summary>The message with which opening these bytes as a weight file is refused; any other outcome fails the test.</summary>
    public string Refusal(ReadOnlySpan<byte> bytes)
    {
        string path = Write("refused", bytes);
        string message = Assert.Throws<InvalidDataException>(() => WeightFile.Open(path).Dispose()).Message;
        Assert.StartsWith(path, message);
        return message;
    }

    public void Dispose() => _folder.Delete(recursive: true);
}

internal static class WeightFileExtensions
{
    /// <summary>A tensor's values as fp32.</summary>
    public static float[] Values(this WeightFile file, string name)
    {
        Assert.True(file.TryGet(name, out WeightEntry? entry), $"there is no {name}");
        var values = new float[entry.Count];
        file.Read(entry, values);
        return values;
    }

    /// <summary>A tensor's bytes in the file's own type.</summary>
    public static byte[] Bytes(this WeightFile file, string name)
    {
        Assert.True(file.TryGet(name, out WeightEntry? entry), $"there is no {name}");
        byte[] bytes = new byte[entry.ByteCount];
        file.ReadRaw(entry, bytes);
        return bytes;
    }

    public static string[] Names(this WeightFile file) => [.. file.Entries.Select(e => e.Name)];
}
