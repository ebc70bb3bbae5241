// java JavaJobs.java < jobs: makes files with Java's own library, as scripts.py asks and is answered.

import java.awt.Graphics2D;
import java.awt.Image;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.image.AffineTransformOp;
import java.awt.image.BufferedImage;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.ImageWriter;
import javax.imageio.stream.ImageOutputStream;

public class JavaJobs {
    private static final Map<String, Object> HINTS = Map.of(
        "nearest", RenderingHints.VALUE_INTERPOLATION_NEAREST_NEIGHBOR,
        "bilinear", RenderingHints.VALUE_INTERPOLATION_BILINEAR,
        "bicubic", RenderingHints.VALUE_INTERPOLATION_BICUBIC);

    public static void main(String[] none) throws IOException {
        ImageIO.setUseCache(false);
        PrintStream answers = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader jobs = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int number = 0;
        for (String line = jobs.readLine(); line != null; line = jobs.readLine()) {
            Map<String, String> job = new HashMap<>();
            for (String field : line.split("\t")) {
                job.put(field.substring(0, field.indexOf('=')), field.substring(field.indexOf('=') + 1));
            }
            String error = "";
            try {
                make(job);
            } catch (IOException | RuntimeException problem) {
                error = problem.toString().replaceAll("\\s+", " ");
            }
            answers.println(number++ + "\t" + error);
        }
    }

    private static void make(Map<String, String> job) throws IOException {
        BufferedImage read = ImageIO.read(new File(job.get("src")));
        String format = job.get("out").substring(job.get("out").lastIndexOf('.') + 1);
        // A JPEG writer given alpha writes four channels that nothing else reads as meant.
        boolean alpha = read.getColorModel().hasAlpha() && !format.equals("jpg");
        BufferedImage picture = drawn(read, read.getWidth(), read.getHeight(), alpha, "nearest");
        if (job.get("resize").equals("True") && job.containsKey("way")) {
            int width = Integer.parseInt(job.get("width"));
            int height = Integer.parseInt(job.get("height"));
            picture = scaled(picture, width, height, alpha, job.get("way"));
        }
        if (job.containsKey("quarters")) {
            picture = turned(picture, Integer.parseInt(job.get("quarters")));
        }
        write(picture, format, job);
    }

    private static BufferedImage scaled(BufferedImage from, int width, int height, boolean alpha, String way) {
        switch (way) {
            case "area_averaging":
                return drawn(from.getScaledInstance(width, height, Image.SCALE_AREA_AVERAGING), width, height, alpha, "nearest");
            case "transform_bilinear":
                return transformed(from, width, height, AffineTransformOp.TYPE_BILINEAR);
            case "transform_bicubic":
                return transformed(from, width, height, AffineTransformOp.TYPE_BICUBIC);
            case "halves":
                BufferedImage halved = from;
                int across = from.getWidth();
                int down = from.getHeight();
                while (across != width || down != height) {
                    across = Math.max(across / 2, width);
                    down = Math.max(down / 2, height);
                    halved = drawn(halved, across, down, alpha, "bilinear");
                }
                return halved;
            default:
                return drawn(from, width, height, alpha, way);
        }
    }

    private static BufferedImage drawn(Image from, int width, int height, boolean alpha, String hint) {
        BufferedImage to = blank(width, height, alpha);
        Graphics2D pen = to.createGraphics();
        pen.setRenderingHint(RenderingHints.KEY_INTERPOLATION, HINTS.get(hint));
        pen.drawImage(from, 0, 0, width, height, null);
        pen.dispose();
        return to;
    }

    private static BufferedImage transformed(BufferedImage from, int width, int height, int type) {
        double across = (double) width / from.getWidth();
        double down = (double) height / from.getHeight();
        BufferedImage to = blank(width, height, from.getColorModel().hasAlpha());
        return new AffineTransformOp(AffineTransform.getScaleInstance(across, down), type).filter(from, to);
    }

    private static BufferedImage turned(BufferedImage from, int quarters) {
        int width = quarters % 2 == 0 ? from.getWidth() : from.getHeight();
        int height = quarters % 2 == 0 ? from.getHeight() : from.getWidth();
        BufferedImage to = blank(width, height, from.getColorModel().hasAlpha());
        Graphics2D pen = to.createGraphics();
        pen.translate(width / 2.0, height / 2.0);
        pen.rotate(quarters * Math.PI / 2);
        pen.translate(-from.getWidth() / 2.0, -from.getHeight() / 2.0);
        pen.drawImage(from, 0, 0, null);
        pen.dispose();
        return to;
    }

    private static BufferedImage blank(int width, int height, boolean alpha) {
        return new BufferedImage(width, height, alpha ? BufferedImage.TYPE_INT_ARGB : BufferedImage.TYPE_INT_RGB);
    }

    private static void write(BufferedImage picture, String format, Map<String, String> job) throws IOException {
        ImageWriter writer = ImageIO.getImageWritersByFormatName(format).next();
        ImageWriteParam how = writer.getDefaultWriteParam();
        if (job.containsKey("quality")) {
            how.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
            how.setCompressionQuality(Integer.parseInt(job.get("quality")) / 100f);
        }
        if (job.containsKey("progressive")) {
            how.setProgressiveMode(ImageWriteParam.MODE_DEFAULT);
        }
        try (ImageOutputStream out = ImageIO.createImageOutputStream(new File(job.get("out")))) {
            writer.setOutput(out);
            writer.write(null, new IIOImage(picture, null, null), how);
        }
        writer.dispose();
    }
}
