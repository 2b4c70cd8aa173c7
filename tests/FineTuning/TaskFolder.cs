using System.IO.Compression;
using System.Text;
using Dnabert2.FineTuning;

namespace Tests.FineTuning;

/// <summary>A folder of labelled files, removed with them.</summary>
internal sealed class TaskFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("task-");

    public TaskFolder()
    {
    }

    /// <summary>A task of three parts with a header each.</summary>
    public TaskFolder(string train, string dev, string test, string header = "sequence,label")
    {
        Write("train.csv", header + "\n" + train);
        Write("dev.csv", header + "\n" + dev);
        Write("test.csv", header + "\n" + test);
    }

    public string Path => _folder.FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public string Write(string name, string text, bool gzip = false)
    {
        using FileStream file = File.Create(this[name]);
        using Stream stream = gzip ? new GZipStream(file, CompressionLevel.Fastest) : file;
        stream.Write(Encoding.UTF8.GetBytes(text));
        return this[name];
    }

    /// <summary>The message with which the task is refused.</summary>
    public string Refusal(TaskKind kind = TaskKind.SingleLabel, LabelledReading? reading = null) =>
        Assert.Throws<InvalidDataException>(() => LabelledTask.Read(Path, kind, reading: reading)).Message;

    public void Dispose() => _folder.Delete(recursive: true);
}
