using System.Diagnostics;
using System.Net.Sockets;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Dnabert2.Weights;
using Engine.Kernels;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Pipes, devices, sockets and folders where a model's files should be, and files that change while they are read.</summary>
public sealed class UnusualFileTests
{
    private static readonly TimeSpan AtOnce = TimeSpan.FromSeconds(30);

    public static TheoryData<string, string> Places
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (string kind in new[] { "pipe", "device", "socket", "folder", "pipe by a link" })
                foreach (string file in new[] { "config.json", "tokenizer.json", "model.safetensors", "pytorch_model.bin",
                    "adapter_config.json", "state.json", "corpus.json" })
                    data.Add(kind, file);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Places))]
    public async Task What_is_no_regular_file_is_refused_at_once_wherever_a_model_s_file_is_opened(string kind, string name)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no such files on Windows");
        using var folder = new TempFolder();
        string path = folder[name];
        using Socket? socket = Make(kind, path);
        Action open = name switch
        {
            "config.json" => () => Dnabert2Config.Load(path),
            "tokenizer.json" => () => BpeTokenizer.Load(path),
            "adapter_config.json" or "state.json" => () => JsonFields.Read(path, "", json => json.Count),
            "corpus.json" => () => Corpus.Open(Path.GetDirectoryName(path)!).Dispose(),
            _ => () => WeightFile.Open(path).Dispose(),
        };
        Exception? seen = await Task.Run(() => Record.Exception(open)).WaitAsync(AtOnce);
        Assert.True(seen is IOException or InvalidDataException, $"{seen}");
        Assert.Contains(path, seen.Message, StringComparison.Ordinal);
        if (kind != "folder") Assert.Contains("not a regular file", seen.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pipe", "config.json")]
    [InlineData("device", "config.json")]
    [InlineData("pipe", "tokenizer.json")]
    [InlineData("device", "tokenizer.json")]
    [InlineData("pipe", "model.safetensors")]
    [InlineData("device", "model.safetensors")]
    [InlineData("folder", "tokenizer.json")]
    public async Task A_model_folder_with_one_is_refused_by_the_tool(string kind, string name)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no such files on Windows");
        using var folder = new TempFolder();
        ToyModel.Write(folder["m"]);
        File.Delete(folder["m/" + name]);
        Make(kind, folder["m/" + name]);
        ToolRun run = await Task.Run(
            () => ToolRun.Of("embed", ToyModel.SamplePath, "--model", folder["m"], "-o", folder["x.npy"])).WaitAsync(AtOnce);
        Assert.Equal(1, run.Code);
        Assert.Contains(folder["m/" + name], run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Files_beyond_the_bound_of_their_kind_are_refused_before_they_are_read()
    {
        using var folder = new TempFolder();
        string path = folder["big.json"];
        using (FileStream file = File.Create(path)) file.SetLength(5L << 30);
        foreach (Action open in (Action[])[() => Dnabert2Config.Load(path), () => BpeTokenizer.Load(path),
            () => PretrainOptions.Load(path)])
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Contains("has 5368709120 bytes", Assert.Throws<InvalidDataException>(open).Message, StringComparison.Ordinal);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        }
    }

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("pytorch_model.bin")]
    public void A_weight_file_that_is_cut_while_it_is_open_is_an_error_and_not_the_end_of_the_process(string name)
    {
        using var folder = new TempFolder();
        const int count = 1 << 20;
        if (name == "pytorch_model.bin")
        {
            byte[] pickle = new Pickle().Proto().Op('}').Op('(').Text("a").Tensor("FloatStorage", "0", count, 0, [1024, 1024], [1024, 1])
                .Text("t").Tensor("FloatStorage", "0", count, 0, [1024, 1024], [1, 1024]).Op('u').Stop();
            folder.Write(name, Pickle.Checkpoint(pickle, new byte[4 * count]));
        }
        else
        {
            using var writer = new SafetensorsWriter(folder[name], [new WeightEntry("a", DType.F32, new Shape(count))]);
            writer.Write("a", new byte[4 * count]);
            writer.Commit();
        }

        using WeightFile file = WeightFile.Open(folder[name]);
        using (FileStream other = new(folder[name], FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete))
            other.SetLength(8192);
        float[] values = new float[count];
        foreach (WeightEntry entry in file.Entries)
        {
            string message = Assert.Throws<InvalidDataException>(() => file.Read(entry, values)).Message;
            Assert.Contains("became shorter while it was read", message, StringComparison.Ordinal);
            Assert.StartsWith(folder[name], message);
        }
    }

    [Fact]
    public void A_corpus_that_is_cut_or_altered_while_it_is_open_is_an_error_and_not_the_end_of_the_process()
    {
        using var toy = new Training.Toy();
        using Corpus corpus = toy.Build();
        long last = corpus.Species[0].Training.Windows - 1;
        string shard = Directory.GetFiles(toy["corpus"], "shard-*").Order(StringComparer.Ordinal).First();
        byte[] whole = File.ReadAllBytes(shard);
        ushort[] window = corpus.Window(Split.Training, 0, last).ToArray();
        using (FileStream other = new(shard, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
        {
            // A token of no vocabulary; then a border beyond all tokens; then nothing.
            other.Position = whole.Length - 2;
            other.Write([0xff, 0xff]);
            other.Flush();
            Fails("altered");
            other.Position = 16 + (4 * (last + 1));
            other.Write([0xff, 0xff, 0xff, 0x7f]);
            other.Flush();
            Fails("altered");
            other.SetLength(0);
            other.Flush();
            Fails("shorter");
            other.Write(whole);
        }

        Assert.Equal(window, corpus.Window(Split.Training, 0, last).ToArray());

        void Fails(string what)
        {
            string message = Assert.Throws<InvalidDataException>(() => corpus.Window(Split.Training, 0, last).Length).Message;
            Assert.StartsWith(shard, message);
            Assert.Contains(what, message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_view_of_few_elements_out_of_very_many_is_refused_with_the_way_out()
    {
        using var folder = new TempFolder();
        const int count = 20 << 20;
        byte[] pickle = new Pickle().Proto().Op('}').Op('(').Text("w")
            .Tensor("FloatStorage", "0", count, 0, [20, 2], [1 << 20, 5]).Op('u').Stop();
        folder.Write("x", Pickle.Checkpoint(pickle, new byte[4 * count]));
        using WeightFile file = WeightFile.Open(folder["x"]);
        Assert.Contains("call contiguous()", Assert.Throws<InvalidDataException>(() => file.Values("w")).Message, StringComparison.Ordinal);
    }

    private static Socket? Make(string kind, string path)
    {
        switch (kind)
        {
            case "folder":
                Directory.CreateDirectory(path);
                return null;
            case "device":
                File.CreateSymbolicLink(path, "/dev/zero");
                return null;
            case "socket":
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                socket.Bind(new UnixDomainSocketEndPoint(path));
                return socket;
            case "pipe by a link":
                Make("pipe", path + ".pipe");
                File.CreateSymbolicLink(path, path + ".pipe");
                return null;
            default:
                using (Process process = Process.Start("mkfifo", [path])) process.WaitForExit();
                return null;
        }
    }
}
