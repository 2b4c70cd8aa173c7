using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Dnabert2.Weights;
using Engine.Kernels;
using FsCheck;
using FsCheck.Fluent;

namespace Tests.Weights;

public sealed class SafetensorsWriterTests
{
    private static readonly DType[] DTypeValues = Enum.GetValues<DType>();

    private static byte[] Bytes(params ReadOnlySpan<float> values) => MemoryMarshal.AsBytes(values).ToArray();

    private static void WriteSmall(string path, params ReadOnlySpan<float> values)
    {
        using var writer = new SafetensorsWriter(path, [new WeightEntry("w", DType.F32, new Shape(values.Length))]);
        writer.Write("w", Bytes(values));
        writer.Commit();
    }

    [Fact]
    public void A_file_is_byte_for_byte_what_the_reference_writes()
    {
        using var folder = new TempFolder();
        var b = new WeightEntry("b", DType.F32, new Shape(2));
        var half = new WeightEntry("a.half", DType.F16, new Shape(1, 1));
        var a = new WeightEntry("a", DType.F32, new Shape());
        using (var writer = new SafetensorsWriter(folder["x"], [half, b, a]))
        {
            writer.Write("a.half", [1, 2]);
            writer.Write("b", Bytes(1, 2));
            writer.Write("a", Bytes(3));
            writer.Commit();
        }
        // The compact JSON of serde, the larger type first, then names; spaces up to a multiple of eight.
        string header =
            """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}""" +
            ""","b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},"a.half":{"dtype":"F16","shape":[1,1],"data_offsets":[12,14]}}""";
        header = header.PadRight((header.Length + 7) / 8 * 8);
        byte[] expected = [.. BitConverter.GetBytes((ulong)header.Length), .. Encoding.UTF8.GetBytes(header), .. Bytes(3, 1, 2), 1, 2];
        Assert.Equal(expected, File.ReadAllBytes(folder["x"]));
    }

    [Fact]
    public void What_is_written_is_read_back_and_does_not_depend_on_the_order_or_the_pieces()
    {
        Gen<(string Name, DType Type, int[] Extents)> tensor =
            from name in Gen.Choose(0, 999).Select(i => $"layer.{i}.wéight\"\n\\{(char)(0x4e00 + i)}")
            from type in Gen.Elements(DTypeValues)
            from rank in Gen.Choose(0, 4)
            from extents in Gen.ArrayOf(Gen.Choose(0, 5), rank)
            select (name, type, extents);
        Gen<(string Name, DType Type, int[] Extents)[]> tensors =
            Gen.ArrayOf(tensor).Select(list => list.DistinctBy(t => t.Name).ToArray());
        using var folder = new TempFolder();
        Prop.ForAll(
            tensors.ToArbitrary(), Gen.Choose(0, int.MaxValue).ToArbitrary(), (list, seed) => RoundTrip(folder, list, new Random(seed)))
            .Check(Config.QuickThrowOnFailure.WithReplay(20240607, 1).WithMaxTest(100));
    }

    private static void RoundTrip(TempFolder folder, (string Name, DType Type, int[] Extents)[] list, Random random)
    {
        WeightEntry[] entries = [.. list.Select(t => new WeightEntry(t.Name, t.Type, new Shape(t.Extents)))];
        Dictionary<string, byte[]> contents = entries.ToDictionary(e => e.Name, e =>
        {
            byte[] bytes = new byte[e.ByteCount];
            random.NextBytes(bytes);
            return bytes;
        });
        var metadata = new Dictionary<string, string> { ["step"] = "12", ["größe"] = "\"\u0001\ud83e\uddec" };
        Write(folder["one"], entries, metadata);
        random.Shuffle(entries);
        Write(folder["two"], entries, metadata.Reverse().ToDictionary());
        byte[] file = File.ReadAllBytes(folder["one"]);
        Assert.Equal(file, File.ReadAllBytes(folder["two"]));
        CheckStructure(file, contents);

        using WeightFile read = WeightFile.Open(folder["one"]);
        Assert.Equal(metadata.Append(new("format", "pt")).OrderBy(p => p.Key, StringComparer.Ordinal),
            read.Metadata.OrderBy(p => p.Key, StringComparer.Ordinal));
        Assert.Equal(entries.Select(e => e.ToString()).Order(), read.Entries.Select(e => e.ToString()).Order());
        foreach (WeightEntry entry in read.Entries)
        {
            Assert.Equal(contents[entry.Name], read.Bytes(entry.Name));
            Assert.NotNull(entry.Shape);
            if (entry.DType == DType.F32) Assert.Equal(contents[entry.Name], Bytes(read.Values(entry.Name)));
        }

        void Write(string path, WeightEntry[] order, Dictionary<string, string> texts)
        {
            using var writer = new SafetensorsWriter(path, order, texts);
            foreach (WeightEntry entry in order)
            {
                byte[] bytes = contents[entry.Name];
                int cut = random.Next(bytes.Length + 1);
                writer.Write(entry.Name, bytes.AsSpan(0, cut));
                writer.Write(entry.Name, bytes.AsSpan(cut));
            }
            writer.Commit();
        }
    }

    /// <summary>What the format asks of a file, checked without the engine's reader.</summary>
    private static void CheckStructure(byte[] file, Dictionary<string, byte[]> contents)
    {
        int length = (int)BitConverter.ToUInt64(file);
        Assert.Equal(0, length % 8);
        Assert.Equal((byte)'{', file[8]);
        using JsonDocument header = JsonDocument.Parse(file.AsMemory(8, length));
        long expected = 0;
        foreach (JsonProperty tensor in header.RootElement.EnumerateObject().Where(p => p.Name != "__metadata__"))
        {
            long[] offsets = [.. tensor.Value.GetProperty("data_offsets").EnumerateArray().Select(v => v.GetInt64())];
            Assert.Equal(expected, offsets[0]);
            expected = offsets[1];
            Assert.Equal(contents[tensor.Name], file[(8 + length + (int)offsets[0])..(8 + length + (int)offsets[1])]);
            string dtype = tensor.Value.GetProperty("dtype").GetString()!;
            int size = dtype == "U8" ? 1 : dtype == "F64" ? 8 : dtype is "F16" or "BF16" ? 2 : 4;
            Assert.Equal(0, offsets[0] % size);
            Assert.Equal(tensor.Value.GetProperty("shape").EnumerateArray().Aggregate((long)size, (n, e) => n * e.GetInt64()),
                offsets[1] - offsets[0]);
        }
        Assert.Equal(file.Length - 8 - length, expected);
    }

    [Fact]
    public void A_write_that_fails_half_way_leaves_the_previous_file_and_no_other()
    {
        using var folder = new TempFolder();
        WriteSmall(folder["model.safetensors"], 1, 2, 3);
        byte[] before = File.ReadAllBytes(folder["model.safetensors"]);
        using (var writer = new SafetensorsWriter(folder["model.safetensors"], [new WeightEntry("w", DType.F32, new Shape(4))]))
        {
            writer.Write("w", Bytes(9, 9));
            Assert.Equal(2, folder.Names.Length); // It is being written beside the final name, which is as it was.
            Assert.Equal(before, File.ReadAllBytes(folder["model.safetensors"]));
            // An exception of the caller's leaves the block here.
        }
        Assert.Equal(["model.safetensors"], folder.Names);
        Assert.Equal(before, File.ReadAllBytes(folder["model.safetensors"]));
    }

    [Fact]
    public void A_file_larger_than_the_disk_fails_at_once_and_leaves_nothing()
    {
        using var folder = new TempFolder();
        WriteSmall(folder["model.safetensors"], 1);
        byte[] before = File.ReadAllBytes(folder["model.safetensors"]);
        var large = new WeightEntry("w", DType.F32, new Shape(int.MaxValue, 1 << 24));
        Assert.Throws<IOException>(() => new SafetensorsWriter(folder["model.safetensors"], [large]));
        Assert.Equal(["model.safetensors"], folder.Names);
        Assert.Equal(before, File.ReadAllBytes(folder["model.safetensors"]));
    }

    [Fact]
    public void An_incomplete_file_is_not_committed()
    {
        using var folder = new TempFolder();
        using (var writer = new SafetensorsWriter(
            folder["x"], [new WeightEntry("w", DType.F32, new Shape(2)), new WeightEntry("v", DType.U8, new Shape(1))]))
        {
            writer.Write("w", Bytes(1));
            writer.Write("v", [1]);
            Assert.Contains("tensor w", Assert.Throws<InvalidOperationException>(writer.Commit).Message);
            Assert.Throws<ArgumentException>(() => writer.Write("w", Bytes(1, 2)));
            Assert.Throws<ArgumentException>(() => writer.Write("u", []));
        }
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void A_commit_replaces_the_previous_file_even_while_it_is_open()
    {
        using var folder = new TempFolder();
        WriteSmall(folder["x"], 1, 2);
        using WeightFile old = WeightFile.Open(folder["x"]);
        if (!OperatingSystem.IsWindows()) WriteSmall(folder["x"], 3);
        Assert.Equal([1, 2], old.Values("w"));
        if (OperatingSystem.IsWindows()) return; // There, an open file cannot be replaced.
        using WeightFile renewed = WeightFile.Open(folder["x"]);
        Assert.Equal([3], renewed.Values("w"));
        Assert.Equal(["x"], folder.Names);
    }

    [Fact]
    public void Misuse_is_told_before_anything_is_created()
    {
        using var folder = new TempFolder();
        var w = new WeightEntry("w", DType.F32, new Shape(1));
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(folder["x"], [w, new WeightEntry("w", DType.U8, new Shape(1))]));
        Assert.Throws<ArgumentException>(() => new WeightEntry("__metadata__", DType.F32, new Shape(1)));
        Assert.Throws<ArgumentException>(() => new WeightEntry("", DType.F32, new Shape(1)));
        Assert.Throws<DirectoryNotFoundException>(() => new SafetensorsWriter(folder["missing/x"], [w]));
        Assert.Throws<IOException>(() => new SafetensorsWriter(folder["."], [w]));
        Assert.Empty(folder.Names);
    }
}
